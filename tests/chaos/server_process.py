"""A server on a machine whose wall clock jumps.

`python -m tests.chaos.server_process AHEAD ARGUMENT…` runs the command with these
arguments. The file AHEAD holds by how many seconds the wall clock is ahead; it is
read at the start, and again at SIGUSR1.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path


class JumpingClock:
    """The wall clock of a process, in place of the one of this machine."""

    def __init__(self, ahead: Path) -> None:
        self._file = ahead
        self._real = time.time_ns
        self._ahead = 0
        self.jump()

    def jump(self, *_: object) -> None:
        """Read again by how much it is ahead."""
        self._ahead = int(float(self._file.read_text()) * 1e9)

    def time_ns(self) -> int:
        """See `time.time_ns`."""
        return self._real() + self._ahead

    def time(self) -> float:
        """See `time.time`."""
        return self.time_ns() / 1e9


def main() -> int:
    """Put the clock in place, then be the server."""
    clock = JumpingClock(Path(sys.argv.pop(1)))
    signal.signal(signal.SIGUSR1, clock.jump)
    time.time_ns, time.time = clock.time_ns, clock.time
    from flowmesh_services.cli.app import main as run  # whoever it imports is to see this clock

    return run()


if __name__ == "__main__":
    sys.exit(main())
