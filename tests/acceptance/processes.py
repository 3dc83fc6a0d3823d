"""flowmesh as a user runs it: commands in processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

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
