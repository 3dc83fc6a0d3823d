"""The processes of the demo: what they say is kept, and the first that ends on its own ends the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Self

# Its tasks take less than a second; a worker whose server died would wait much longer for an answer.
_WORKER_SECONDS = 3.0
_SERVER_SECONDS = 20.0
_LAST_BYTES = 4096
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProcessEndedError(Exception):
    """A process of the demo ended on its own."""


class Processes:
    """flowmesh commands in the background, all stopped at the end, however that comes.

    Works in the main thread only: a process that ends raises `ProcessEndedError` there, and the signals
    that ask to stop raise `KeyboardInterrupt`.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._running: dict[str, subprocess.Popen[str]] = {}
        # Kept out of the terminal, where a line in between would tear the live view.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the demo
        self._last_words = b""

    def __enter__(self) -> Self:
        """Watch for ends and for signals."""
        signal.signal(signal.SIGCHLD, self._look)
        for stopping in _STOPPING:
            signal.signal(stopping, _interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every process; further signals do not cut that short."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for stopping in _STOPPING:
            signal.signal(stopping, signal.SIG_IGN)
        self._last_words = self._read_last_words()
        running = list(self._running.values())
        _stop(running[1:], _WORKER_SECONDS)
        _stop(running[:1], _SERVER_SECONDS)

    def start(self, *arguments: str, stdout: int | None = None) -> subprocess.Popen[str]:
        """Start a flowmesh command, the server first; its errors and logs are kept for `last_words`."""
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "flowmesh_services.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=self._said,
            text=True,
            env={"FLOWMESH_LOG_LEVEL": "warning", **os.environ},
            process_group=0,
        )
        self._running[f"{arguments[0]} (process {process.pid})"] = process
        return process

    def last_words(self) -> str:
        """Return the end of what the processes said before they were stopped."""
        return self._last_words.decode(errors="replace").strip()

    def _read_last_words(self) -> bytes:
        size = os.fstat(self._said.fileno()).st_size
        return os.pread(self._said.fileno(), _LAST_BYTES, max(0, size - _LAST_BYTES))

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                raise ProcessEndedError(f"flowmesh {name} ended unexpectedly, {_how(process.returncode)}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def _stop(processes: Sequence[subprocess.Popen[str]], seconds: float) -> None:
    """Ask processes to stop, and kill those that take longer."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + seconds
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
