from __future__ import annotations

import pytest

from flowmesh_core.domain.events import (
    Event,
    ExecutionStarted,
    NodeCancelled,
    NodeCompleted,
    NodeSkipped,
    NodeUpstreamFailed,
)
from flowmesh_core.domain.evolve import fold
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.fan_in import FanIn, fan_in
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.states import SkipReason
from flowmesh_core.domain.time import Micros
from tests.unit.domain.reducer import KEY, graph

NOW = Micros(0)


def parent_ends(outcome: str, node: int) -> Event:
    return {
        "completed": NodeCompleted(1, NOW, node, 1, NULL, "", None),
        "skipped": NodeSkipped(1, NOW, node, SkipReason.CONDITION_FALSE),
        "cancelled": NodeCancelled(1, NOW, node, 0),
        "upstream_failed": NodeUpstreamFailed(1, NOW, node),
    }[outcome]


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ([], FanIn.FIRE),
        (["completed"], FanIn.FIRE),
        (["completed", "skipped"], FanIn.FIRE),
        (["skipped"], FanIn.SKIP),
        (["skipped", "skipped"], FanIn.SKIP),
        (["completed", "cancelled"], FanIn.UPSTREAM_FAILED),
        (["skipped", "upstream_failed"], FanIn.UPSTREAM_FAILED),
    ],
)
def test_none_failed_and_at_least_one_success(parents: list[str], expected: FanIn) -> None:
    names = [f"p{n}" for n in range(len(parents))]
    state = ExecutionState(KEY, graph({**{name: [] for name in names}, "node": names}), NULL)
    fold(state, [ExecutionStarted(1, NOW), *(parent_ends(p, n) for n, p in enumerate(parents))])

    assert fan_in(state, len(parents)) is expected
