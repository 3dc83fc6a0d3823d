"""The directories of embedded servers: short-lived ones under the temporary directory, and locks."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flowmesh_services.embedded.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from flowmesh_services.embedded.account import ServerAccount

_PREFIX = "flowmesh-"
_LOCK = "lock"
# The kernel's limit is 107 bytes; the longest name below the directory has 28.
_LONGEST_DIRECTORY = 78
# How long servers of a killed predecessor may take to end.
_PREDECESSOR_SECONDS = 3.0


@contextmanager
def run_directory(account: ServerAccount) -> Iterator[Path]:
    """Make a directory for sockets and short-lived data, and remove it at the end.

    Its parents are reachable by every account and its path is short enough for
    socket names. Directories that killed processes left behind are removed first.
    """
    parent = _parent(account)
    _sweep(parent)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    directory.chmod(account.passage_mode)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def locked(directory: Path) -> AsyncIterator[int]:
    """Lock a directory for this process and the servers that inherit the descriptor.

    The lock ends with the last process that holds it, so a successor never meets
    a server of a killed predecessor that is still writing its last pages.

    Raises:
        EmbeddedServerError: Somebody else holds it.
    """
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _lock(descriptor, directory)
        # A lock file with content is one that was in use: only those are ever swept.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


async def _lock(descriptor: int, directory: Path) -> None:
    try:
        async with asyncio.timeout(_PREDECESSOR_SECONDS):
            while not _try_lock(descriptor):  # noqa: ASYNC110 - another process cannot set an event
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise EmbeddedServerError(f"{directory} is in use by another process") from None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _parent(account: ServerAccount) -> Path:
    for candidate in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108
        probe = candidate / f"{_PREFIX}12345678"
        if candidate.is_dir() and len(os.fsencode(probe)) <= _LONGEST_DIRECTORY and account.reaches([probe]):
            return candidate
    raise EmbeddedServerError("no temporary directory has a short path that every account can reach")


def _sweep(parent: Path) -> None:
    for directory in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_if_abandoned(directory)


def _remove_if_abandoned(directory: Path) -> None:
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        return
    # A directory without a lock file is one whose owner is just making it.
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if _try_lock(descriptor) and os.fstat(descriptor).st_size > 0:
            shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(descriptor)
