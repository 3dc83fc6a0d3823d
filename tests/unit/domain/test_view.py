"""The read model, where the laws of the reducer do not see it."""

from __future__ import annotations

from flowmesh_core.domain.events import NodeCompleted, NodeScheduled
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.states import NodeStatus
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.view import ExecutionView, apply
from tests.unit.domain.reducer import graph


def statuses(view: ExecutionView) -> list[NodeStatus]:
    return [node.status for node in view.nodes]


def test_a_copy_and_its_origin_go_their_own_ways() -> None:
    view = ExecutionView(graph({"a": [], "b": []}))
    scheduled = [NodeScheduled(1 + node, Micros(5), node, 1) for node in (0, 1)]
    apply(view, scheduled[0])
    early = view.copy()
    apply(view, scheduled[1])
    late = view.copy()
    apply(view, NodeCompleted(3, Micros(6), 0, 1, Payload(b"1"), "w", Micros(5)))
    apply(early, NodeScheduled(2, Micros(7), 1, 2))

    pending, scheduled_, completed = NodeStatus.PENDING, NodeStatus.SCHEDULED, NodeStatus.COMPLETED
    assert statuses(view) == [completed, scheduled_]
    assert statuses(late) == [scheduled_, scheduled_]
    assert statuses(early) == [scheduled_, scheduled_]
    assert [each.nodes[1].attempt for each in (view, late, early)] == [1, 1, 2]
    assert statuses(ExecutionView(view.graph)) == [pending, pending]


def test_a_copy_shares_what_did_not_change() -> None:
    view = ExecutionView(graph({"a": [], "b": []}))
    twin = view.copy()
    apply(view, NodeScheduled(1, Micros(5), 0, 1))

    assert twin.nodes[0] is not view.nodes[0]
    assert twin.nodes[1] is view.nodes[1]
