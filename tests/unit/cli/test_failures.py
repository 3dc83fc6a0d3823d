"""What a user reads when a command fails in a way that nobody foresaw."""

from __future__ import annotations

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
