"""Tiny branching workflows, with retries, conditions and references."""

from __future__ import annotations

import json
from random import Random

from flowmesh_core.adapters.cel import CelExpressionEngine
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.workflow import Node, Workflow

compile_condition = CelExpressionEngine().compile

HANDLERS = ("work", "toil")
_RETRIES = RetryPolicy(Micros(SECOND // 2), 2.0, Micros(2 * SECOND), 3, (), Jitter.NONE, maximum_lost=9)


def draw_workflow(rng: Random, name: str) -> Workflow:
    """Return a workflow of one to four nodes."""
    ids = "abcd"[: rng.choice((2, 3, 4, 4))]
    nodes = []
    for at, node_id in enumerate(ids):
        parents = tuple(each for each in ids[:at] if rng.random() < 0.4)
        nodes.append(_draw_node(rng, node_id, parents))
    return Workflow(name, tuple(nodes))


def _draw_node(rng: Random, node_id: str, parents: tuple[str, ...]) -> Node:
    condition, config = "", None
    if parents and rng.random() < 0.3:
        condition = f"has({parents[0]}.output) && {parents[0]}.output.value > 1"
    elif parents and rng.random() < 0.3:
        config = Payload(json.dumps({"from": f"{{{{ {parents[0]}.output.value ?? 0 }}}}"}).encode())
    heartbeat = Micros(3 * SECOND) if rng.random() < 0.3 else None
    return Node(
        node_id,
        rng.choice(HANDLERS),
        parents,
        config,
        condition,
        _RETRIES,
        Timeouts(Micros(8 * SECOND), heartbeat),
    )
