"""What a person sees on a terminal while an execution runs."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flowmesh import task
from tests.acceptance.processes import COMMAND
from tests.acceptance.working import working

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
GRAPH = {
    "name": "pair",
    "dag": {
        "nodes": [
            {"id": "first", "handler": "held"},
            {"id": "second", "handler": "held", "dependencies": ["first"]},
        ]
    },
}


class Terminal:
    """The far end of a terminal, and everything that was ever drawn on it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._drawn = b""

    @property
    def drawn(self) -> str:
        return ESCAPES.sub("", self._drawn.decode(errors="replace"))

    def read_until(self, words: str) -> None:
        while words not in self.drawn:
            self._read()

    def read_to_end(self) -> str:
        with contextlib.suppress(OSError):  # its other side was closed
            while True:
                self._read()
        return self.drawn

    def _read(self) -> None:
        self._drawn += os.read(self._descriptor, 65_536)


@contextlib.contextmanager
def on_a_terminal(*arguments: str) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """Run a command that believes to talk to a person."""
    near, far = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=far, stdout=far, stderr=far, env=environment
    ) as process:
        os.close(far)
        try:
            yield Terminal(near), process
        finally:
            process.kill()
            os.close(near)


@pytest.mark.parametrize("fails", [False, True], ids=["completed", "failed"])
def test_nodes_turn_from_waiting_to_running_to_done(address: str, tmp_path: Path, fails: bool) -> None:
    namespace, may_end = f"terminal-{uuid4().hex[:8]}", threading.Event()

    @task
    def held() -> None:
        assert may_end.wait(30)
        if fails:
            raise FileNotFoundError("no such town")

    graph = json.loads(json.dumps(GRAPH))
    graph["dag"]["nodes"][0]["retryPolicy"] = {"maximumAttempts": 1}
    file = tmp_path / "pair.json"
    file.write_text(json.dumps(graph))
    submit = ("submit", str(file), "--wait", "--address", address, "--namespace", namespace)
    with on_a_terminal(*submit) as (terminal, process):
        terminal.read_until("○ first   SCHEDULED")
        assert "· second  PENDING" in terminal.drawn
        assert "0/2    0 %" in terminal.drawn
        with working(address, namespace, held):
            terminal.read_until("◉ first   RUNNING")
            may_end.set()
            last = terminal.read_to_end()
        assert process.wait(20) == int(fails)
    if fails:
        assert re.search(r"✗ first   FAILED +\d+\.\d s", last)
        assert "FileNotFoundError: no such town" in last
        assert "✗ second  UPSTREAM_FAILED" in last
    else:
        assert re.search(r"● first   COMPLETED +\d+\.\d s", last)
        assert "2/2  100 %" in last
