"""The rule that decides a node from its parents.

The default rule, NONE_FAILED_MIN_ONE_SUCCESS, has its name and meaning from
Apache Airflow's trigger rules: a skip propagates along a chain, and at a join
the branch that was not taken does not stop the one that was.
"""

from __future__ import annotations

from enum import Enum

from flowmesh_core.domain.execution import SOME_FAILED, ExecutionState


class FanIn(Enum):
    """What the parents of a node say about it."""

    FIRE = "fire"
    SKIP = "skip"
    UPSTREAM_FAILED = "upstream_failed"


def fan_in(state: ExecutionState, node: int) -> FanIn:
    """Decide a node of `decidable`: one whose parents have all ended."""
    ended = state.parents_ended[node]
    if ended & SOME_FAILED:
        return FanIn.UPSTREAM_FAILED
    if ended or not state.graph.nodes[node].parents:
        return FanIn.FIRE
    return FanIn.SKIP
