"""Executions that have nothing to keep share one empty dict, so none may ever write into it."""

from __future__ import annotations

from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.payload import NULL
from tests.unit.domain.reducer import KEY, Stage, graph


def test_what_one_execution_keeps_is_not_seen_in_another() -> None:
    plan = graph({"a": [], "b": ["a"]})
    untouched, stage = ExecutionState(KEY, plan, NULL), Stage(plan)
    stage.start()
    stage.run("a")
    stage.lose("a")
    stage.complete("a", 2)
    assert stage.state.lost
    assert stage.state.outputs
    for name in ("gateways", "large_inputs", "lost", "outputs"):
        assert getattr(untouched, name) == {}, name
