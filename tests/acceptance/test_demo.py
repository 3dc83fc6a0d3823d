"""The demo as a newcomer runs it, and as one stops it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import STOP_SECONDS, all_end, descendants, lives


@contextlib.contextmanager
def demo() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "flowmesh_services.demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def until_it_works(process: subprocess.Popen[str]) -> set[int]:
    """Read until the first node is done; return every process of the demo."""
    assert process.stdout is not None
    assert any("NODE_COMPLETED" in line for line in process.stdout)
    return descendants(process.pid)


def one_of(pids: set[int], command: str) -> int:
    """Return a process that runs this flowmesh command."""
    for pid in pids:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[1:4] == [b"-m", b"flowmesh_services.cli", command.encode()]:
                return pid
    raise AssertionError(f"the demo has no {command}")


def test_the_demo_ends_with_its_report() -> None:
    with demo() as process:
        out, err = process.communicate(timeout=50)

    assert process.returncode == 0, err
    assert err == ""
    assert out.count(" NODE_COMPLETED ") > 100
    assert out.count(" NODE_SKIPPED ") == 1, "its condition"
    for part in ("largest modules", "deepest nesting", "most imported"):
        assert part in out
    assert "nothing is left running" in out.splitlines()[-1]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_stopped_leaves_nothing(ending: signal.Signals) -> None:
    with demo() as process:
        pids = until_it_works(process)
        os.kill(process.pid, ending)
        _, err = process.communicate(timeout=STOP_SECONDS)

    assert process.returncode == 130
    assert err == "demo: interrupted; nothing is left running\n"
    assert not any(lives(pid) for pid in pids)


@pytest.mark.parametrize("command", ["dev", "worker"])
def test_a_demo_that_loses_a_process_says_so_and_leaves_nothing(command: str) -> None:
    with demo() as process:
        pids = until_it_works(process)
        os.kill(one_of(pids, command), signal.SIGKILL)
        _, err = process.communicate(timeout=STOP_SECONDS)

    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert last.startswith(f"demo: flowmesh {command} ")
    assert last.endswith("ended unexpectedly, killed by SIGKILL")
    all_end(pids)
