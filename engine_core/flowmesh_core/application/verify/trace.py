"""What the facts of clients are compared with: the marks that one execution left in its history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from flowmesh_core.application.bounded_cache import BoundedCache
from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.domain.events import (
    AttemptEvent,
    Event,
    ExecutionCancelRequested,
    NodeAttemptFailed,
    NodeCancelled,
    NodeCompleted,
    NodeFailed,
    NodeScheduled,
)
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.ports.execution_store import ExecutionRecord, ExecutionStore
from flowmesh_core.ports.history_store import HistoryStore

_AT_ONCE = 100
_KEPT_EVENTS = 500_000

Attempt = tuple[str, int]
"""(node id, attempt)"""


class Trace:
    """The attempts of one execution by what became of them.

    Attributes:
        status: Where the execution stands.
        last_sequence: The last sequence of its history.
        scheduled: Attempts that were given out.
        completed: Attempts that completed their node.
        failed: Attempts that failed, with or without a further one.
        retried: Those of them that were to be followed by a further one.
        cancelled: Attempts that were cancelled.
        has_cancel: Whether a cancel was accepted.
    """

    def __init__(self, status: ExecutionStatus, graph: Graph, events: Iterable[Event]) -> None:
        """Read a history."""
        self.status = status
        self.last_sequence = 0
        self.has_cancel = False
        self.scheduled: set[Attempt] = set()
        self.completed: set[Attempt] = set()
        self.failed: set[Attempt] = set()
        self.retried: set[Attempt] = set()
        self.cancelled: set[Attempt] = set()
        for event in events:
            self._take(graph, event)

    def _take(self, graph: Graph, event: Event) -> None:
        self.last_sequence = event.sequence
        self.has_cancel = self.has_cancel or isinstance(event, ExecutionCancelRequested)
        if not isinstance(event, AttemptEvent) or event.node >= len(graph.nodes):
            return
        attempt = (graph.nodes[event.node].id, event.attempt)
        match event:
            case NodeScheduled():
                self.scheduled.add(attempt)
            case NodeCompleted():
                self.completed.add(attempt)
            case NodeAttemptFailed():
                self.failed.add(attempt)
                self.retried.add(attempt)
            case NodeFailed():
                self.failed.add(attempt)
            case NodeCancelled():
                self.cancelled.add(attempt)


class Traces:
    """Reads traces in batches, and keeps those used last."""

    def __init__(self, executions: ExecutionStore, histories: HistoryStore, graphs: GraphCache) -> None:
        """Read from these."""
        self._executions = executions
        self._histories = histories
        self._graphs = graphs
        self._kept: BoundedCache[ExecutionKey, Trace] = BoundedCache(_KEPT_EVENTS)

    async def read(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, Trace]:
        """Return the traces of those executions that exist.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        found = {key: trace for key in keys if (trace := self._kept.get(key)) is not None}
        missing = iter([key for key in keys if key not in found])
        while chunk := list(islice(missing, _AT_ONCE)):
            found.update(await self._load(chunk))
        return found

    async def _load(self, keys: Collection[ExecutionKey]) -> dict[ExecutionKey, Trace]:
        records = await self._executions.get_many(keys)
        graphs = await self._graphs.get_many([_definition(record) for record in records])
        histories = await self._histories.read_many([record.key for record in records])
        traces = {}
        for record in records:
            graph = graphs.get(_definition(record))
            if graph is not None:
                events = histories.get(record.key, ())
                traces[record.key] = trace = Trace(record.status, graph, events)
                self._kept.put(record.key, trace, 1 + len(events))
        return traces


def _definition(record: ExecutionRecord) -> tuple[str, str]:
    return record.key.namespace, record.workflow_digest
