"""One child process that serves: started detached from the terminal, ended with its parent."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from flowmesh_services.embedded.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from flowmesh_services.embedded.account import ServerAccount

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_LOG_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Launcher:
    """How every child of one set of servers is started.

    Attributes:
        account: Under which account.
        reachable: Whether that account reaches the programs and data on its own.
        inherited: Descriptors that children keep open: the locks.
    """

    account: ServerAccount
    reachable: bool
    inherited: tuple[int, ...]

    async def start(
        self, command: Sequence[str | Path], *, log: Path, stop_signal: signal.Signals
    ) -> asyncio.subprocess.Process:
        """Start a child in a session of its own, so that Ctrl-C reaches it only through us."""
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *self._wrapper(stop_signal),
                *command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self.inherited,
                # Nothing of the user's PG* or locale variables may change what these servers do.
                env={"PATH": os.defpath, "LC_ALL": "C"},
                cwd="/",
            )

    def _wrapper(self, stop_signal: signal.Signals) -> list[str]:
        setpriv = shutil.which("setpriv", path=f"{os.defpath}:{os.environ.get('PATH', '')}")
        if setpriv is None:
            return self._without_setpriv()
        # The kernel sends this signal when the thread that started the child ends, however it ends.
        return [setpriv, f"--pdeathsig={stop_signal.name[3:]}", *self._other_account(), "--"]

    def _without_setpriv(self) -> list[str]:
        if self.account.uid is None:
            return []
        raise EmbeddedServerError("as root, embedded servers need the program setpriv (package util-linux)")

    def _other_account(self) -> list[str]:
        if self.account.uid is None:
            return []
        identity = [
            f"--reuid={self.account.uid}",
            f"--regid={self.account.gid}",
            "--clear-groups",
            "--no-new-privs",
        ]
        if self.reachable:
            return [*identity, "--bounding-set=-all", "--inh-caps=-all"]
        # Data or a virtual environment below a private directory such as /root: walking down to
        # them takes this one capability, which is better than opening the directories to everyone.
        # access(2) heeds it only with that secure bit.
        only = "-all,+dac_override"
        capability = [f"--bounding-set={only}", f"--inh-caps={only}", f"--ambient-caps={only}"]
        return [*identity, "--securebits=+no_setuid_fixup", *capability]


class ServerProcess:
    """A running server and how to end it."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, log: Path, stop_signal: signal.Signals
    ) -> None:
        self._name = name
        self._process = process
        self._log = log
        self._stop_signal = stop_signal

    @classmethod
    async def start(
        cls,
        name: str,
        launcher: Launcher,
        command: Sequence[str | Path],
        *,
        log: Path,
        stop_signal: signal.Signals,
    ) -> Self:
        """Start a server; `await ready(...)` says when it serves."""
        process = await launcher.start(command, log=log, stop_signal=stop_signal)
        return cls(name, process, log, stop_signal)

    async def ready(self, probe: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the probe succeeds.

        Raises:
            EmbeddedServerError: The server ended, or took longer than 30 seconds.
        """
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await probe():
                    self._refuse_if_ended()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise EmbeddedServerError(f"{self._name} did not start in {_START_SECONDS:.0f} s") from None

    async def finish(self) -> None:
        """Wait for a program that ends by itself.

        Raises:
            EmbeddedServerError: It failed, or took longer than 30 seconds.
        """
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._process.wait()
        except TimeoutError:
            raise EmbeddedServerError(f"{self._name} did not end in {_START_SECONDS:.0f} s") from None
        if self._process.returncode != 0:
            raise self._failure()

    async def stop(self) -> None:
        """Ask the server to end, and kill it when it does not within 10 seconds."""
        for request in (self._stop_signal, signal.SIGKILL):
            with suppress(ProcessLookupError):
                self._process.send_signal(request)
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._process.wait()
                    return

    def _refuse_if_ended(self) -> None:
        if self._process.returncode is not None:
            raise self._failure()

    def _failure(self) -> EmbeddedServerError:
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _LOG_TAIL_BYTES))
            said = log.read().decode(errors="replace").strip()
        return EmbeddedServerError(f"{self._name} ended with code {self._process.returncode}: {said}")
