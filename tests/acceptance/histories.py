"""What a history has to show, whatever the engine thinks of itself."""

from __future__ import annotations

from collections.abc import Iterable

from flowmesh import Event, EventType, Workflow


def assert_dependencies_respected(workflow: Workflow, history: Iterable[Event]) -> None:
    """Fail unless every node completed once, and began after all of its parents."""
    parents = {node.id: set(node.dependencies) for node in workflow.nodes}
    completed: set[str] = set()
    for sequence, event in enumerate(history, start=1):
        assert event.sequence == sequence
        if event.type in (EventType.NODE_SCHEDULED, EventType.NODE_STARTED):
            assert parents[event.node_id] <= completed, f"{event.node_id} began before its parents ended"
        if event.type is EventType.NODE_COMPLETED:
            assert event.node_id not in completed
            completed.add(event.node_id)
    assert completed == set(parents)
