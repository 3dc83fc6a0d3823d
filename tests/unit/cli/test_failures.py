"""What a user reads when a command fails in a way that nobody foresaw."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_services.cli.app import _report
from flowmesh_services.cli.errors import CommandError
from flowmesh_services.cli.server_commands import run_to_end


def test_a_group_of_failures_is_told_by_its_causes(capsys: pytest.CaptureFixture[str]) -> None:
    loops = ExceptionGroup("unhandled errors in a TaskGroup", [ValueError("no such day"), KeyError("a")])

    assert _report(ExceptionGroup("unhandled errors in a TaskGroup", [loops])) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("flowmesh: unexpected ValueError: no such day; KeyError: 'a' (")


def test_what_an_operator_can_understand_is_told_alone() -> None:
    async def serve() -> None:
        raise ExceptionGroup("unhandled errors", [StoreUnavailable("no Redis at redis:6379"), OSError("x")])

    with pytest.raises(CommandError, match=r"^no Redis at redis:6379$"):
        run_to_end(serve())


INTERRUPTED_AT_AN_IMPORT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from flowmesh_services.cli import main
sys.exit(main(["get", "x", "--address", "127.0.0.1:1"]))
"""


@pytest.mark.parametrize(
    ("module", "code"), [("typer", -2), ("grpc._channel", 130)], ids=["before", "in a command"]
)
def test_an_interrupt_while_a_command_starts_is_silent(module: str, code: int) -> None:
    command = [sys.executable, "-c", INTERRUPTED_AT_AN_IMPORT, module]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
