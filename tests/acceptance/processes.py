"""flowmesh as a user runs it: commands in processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READY_SECONDS = 60
STOP_SECONDS = 30
COMMAND = [sys.executable, "-m", "flowmesh_services.cli"]


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


def flowmesh(*arguments: str, given: str = "", seconds: float = 60) -> Finished:
    """Run a command to its end."""
    done = subprocess.run(
        [*COMMAND, *arguments], input=given, capture_output=True, text=True, timeout=seconds, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def background(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background, and end it with SIGTERM."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "FLOWMESH_LOG_LEVEL": "warning", **(environment or {})},
    )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Stop a process that may have ended already; one that does not stop fails the test."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def dev(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Run `flowmesh dev` on a free port and yield its address once it serves."""
    with background("dev", "--listen", "127.0.0.1:0", *arguments, environment=environment) as process:
        yield ready_address(process)


def ready_address(process: subprocess.Popen[str]) -> str:
    """Wait for the line that says a server serves, and return the address in it."""
    assert process.stdout is not None
    for line in process.stdout:
        if "ready" in line:
            return line.split()[-1]
    raise AssertionError(f"the server ended with {process.wait()} before it was ready")


def free_ports(names: list[str]) -> dict[str, int]:
    """Find a port for each name."""
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for bound in sockets.values():
            bound.bind(("127.0.0.1", 0))
        return {name: bound.getsockname()[1] for name, bound in sockets.items()}


def descendants(pid: int) -> set[int]:
    """Return the processes below a process."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child} | descendants(child)
    return found


def all_end(pids: set[int]) -> None:
    """Fail when processes that were asked to end, or lost their parent, still live after a while."""
    deadline = time.monotonic() + 10
    while any(lives(pid) for pid in pids):
        assert time.monotonic() < deadline, "processes were left behind"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
