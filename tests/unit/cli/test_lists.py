from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from flowmesh import ExecutionState
from flowmesh_services.cli.documents import render
from flowmesh_services.cli.execution_commands import StateName, _print_array

ITEMS = [{"a": 'quoted "text"\nin lines'}, [], {"b": {"c": 1}}]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_is_one_json_array(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    _print_array(ITEMS[:count])
    said = capsys.readouterr().out
    assert json.loads(said) == ITEMS[:count]
    assert said == f"{render(ITEMS[:count])}\n"


def test_items_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    def endless() -> Iterator[object]:
        yield {"a": 1}
        assert '"a": 1' in capsys.readouterr().out
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _print_array(endless())


def test_every_state_can_be_looked_for() -> None:
    assert {state.value for state in StateName} == {*ExecutionState} - {ExecutionState.UNKNOWN}
