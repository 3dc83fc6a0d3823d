"""The system account under which embedded servers run.

PostgreSQL refuses to run as root, so for root the servers get the account
`nobody`. Others run them as themselves.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """Who runs the servers: another account, or this process's own when both ids are None."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def choose(cls) -> ServerAccount:
        """Choose `nobody` for root and the caller's own account for everyone else."""
        if os.geteuid() != 0:
            return cls()
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    @property
    def passage_mode(self) -> int:
        """The mode of directories of ours that this account must pass through."""
        return 0o700 if self.uid is None else 0o711

    def own(self, directory: Path) -> None:
        """Hand a directory of ours, with what is in it, to this account."""
        if self.uid is None or self.gid is None or directory.stat().st_uid == self.uid:
            return
        for parent, _, files in os.walk(directory):
            os.chown(parent, self.uid, self.gid)
            for file in files:
                os.chown(os.path.join(parent, file), self.uid, self.gid, follow_symlinks=False)  # noqa: PTH118

    def reaches(self, paths: Iterable[Path]) -> bool:
        """Tell whether this account may walk down to all these paths, such as a wheel below /root."""
        return self.uid is None or all(map(self._reaches, paths))

    def _reaches(self, path: Path) -> bool:
        ancestors = [parent.stat() for parent in path.resolve().parents]
        return all(found.st_uid == self.uid or found.st_mode & stat.S_IXOTH for found in ancestors)
