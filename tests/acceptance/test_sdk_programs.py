"""The programs of the SDK's documentation, run as a reader would run them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "clients" / "python"
EXPECTED = {
    "hello": ["{'greet': 'Hello, world!'}"],
    "fan_out": [
        "done: split",
        "done: merge",
        "{'merge': {'be': 2, 'is': 1, 'not': 1, 'or': 1, 'question': 1, 'that': 1, 'the': 1, 'to': 2}}",
    ],
    "retries": [
        "{'charge': 'charged at attempt 3, key True'}",
        "charge: CardRefused: the card is stolen",
    ],
    "cancel": ["cancelling: CANCELLING", "cancelled"],
    "sync_client": ["{'total': 42}"],
}


def environment(address: str) -> dict[str, str]:
    """Where the programs connect, in a namespace that has no other workers."""
    return {**os.environ, "FLOWMESH_ADDRESS": address, "FLOWMESH_NAMESPACE": "documentation"}


def run(program: Path, address: str) -> str:
    done = subprocess.run(
        [sys.executable, str(program)],
        env=environment(address),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run() -> None:
    assert {path.stem for path in (CLIENT / "examples").glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example(name: str, address: str) -> None:
    lines = run(CLIENT / "examples" / f"{name}.py", address).splitlines()
    assert [line for line in lines if line in EXPECTED[name]] == EXPECTED[name]


def test_the_readme(tmp_path: Path, address: str) -> None:
    for block in re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL):
        name = block.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(block)
    worker = subprocess.Popen([sys.executable, str(tmp_path / "worker.py")], env=environment(address))
    try:
        shown = run(tmp_path / "workflow.py", address)
        out = run(tmp_path / "submit.py", address).splitlines()
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert json.loads(shown)["dag"]["nodes"][1]["dependencies"] == ["fetch"]
    assert "{'report': 'page https://example.org: be, to'}" in out
    assert out[-2:] == ["fetch UnsafeUrl ftp://example.org is not safe", "['CYCLE']"]
