"""Executions from the store into memory, many per query."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.partition_owner.owned_partition import LiveExecution
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.evolve import fold
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.ports.execution_store import ExecutionRecord, ExecutionStore
from flowmesh_core.ports.history_store import HistoryStore
from flowmesh_core.ports.telemetry import Telemetry
from flowmesh_core.ports.undecodable import Undecodable

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The executions that were found.

    Attributes:
        executions: Those that could be folded.
        broken: Those that are stored but could not: their definition is gone or
            is not understood by this version, or their history is not, or does not fold.
            Another version may own them one day, so nothing is done to them.
    """

    executions: dict[ExecutionKey, LiveExecution]
    broken: frozenset[ExecutionKey]


class LoadExecutions:
    """Reads records, graphs and histories, and folds them."""

    def __init__(
        self, executions: ExecutionStore, history: HistoryStore, graphs: GraphCache, telemetry: Telemetry
    ) -> None:
        """Read from these."""
        self._executions = executions
        self._history = history
        self._graphs = graphs
        self._telemetry = telemetry

    async def load(self, keys: Collection[ExecutionKey]) -> Loaded:
        """Return the executions of `keys` that exist, with at most three queries for all of them.

        What newer code wrote costs more queries: it is looked for by halves.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        try:
            loaded = await self._load(keys)
        except Undecodable as error:
            return await self._without_unreadable(list(keys), error)
        if loaded.broken:
            self._telemetry.count("flowmesh.executions.unreadable", len(loaded.broken))
        return loaded

    async def _without_unreadable(self, keys: Sequence[ExecutionKey], error: Undecodable) -> Loaded:
        if len(keys) == 1:
            _logger.error("execution %s cannot be read: %s", keys[0], error, extra=keys[0]._asdict())
            self._telemetry.count("flowmesh.executions.unreadable")
            return Loaded({}, frozenset(keys))
        middle = len(keys) // 2
        first, second = await self.load(keys[:middle]), await self.load(keys[middle:])
        return Loaded(first.executions | second.executions, first.broken | second.broken)

    async def _load(self, keys: Collection[ExecutionKey]) -> Loaded:
        records = await self._executions.get_many(keys)
        graphs = await self._graphs.get_many(
            {(record.key.namespace, record.workflow_digest) for record in records}
        )
        # What was never started has no history yet.
        begun = [record.key for record in records if record.status is not ExecutionStatus.PENDING]
        histories = await self._history.read_many(begun) if begun else {}
        executions = {}
        broken = set()
        for record in records:
            graph = graphs.get((record.key.namespace, record.workflow_digest))
            live = _fold(record, graph, histories.get(record.key, ()))
            if live is None:
                broken.add(record.key)
            else:
                executions[record.key] = live
        return Loaded(executions, frozenset(broken))


def _fold(record: ExecutionRecord, graph: Graph | None, events: Sequence[Event]) -> LiveExecution | None:
    """Return None for an execution that cannot be folded: it must not stop the others."""
    if graph is None:
        words = "execution %s: no usable definition %s"
        _logger.error(words, record.key, record.workflow_digest, extra=record.key._asdict())
        return None
    state = ExecutionState(record.key, graph, record.input)
    try:
        fold(state, events)
    except Exception:
        words = "execution %s: its history does not fold"
        _logger.exception(words, record.key, extra=record.key._asdict())
        return None
    return LiveExecution(state, record.partition, record.traceparent)
