"""Executions from the store into memory, many per query."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import or_

from flowmesh_core.application.by_halves import read_by_halves
from flowmesh_core.application.graph_cache import Definition, GraphCache
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
        late: Those whose graphs are still being planned.
    """

    executions: dict[ExecutionKey, LiveExecution]
    broken: frozenset[ExecutionKey] = frozenset()
    late: frozenset[ExecutionKey] = frozenset()

    def __or__(self, other: Loaded) -> Loaded:
        """Return what either holds."""
        return Loaded(self.executions | other.executions, self.broken | other.broken, self.late | other.late)


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

    async def load(self, keys: Collection[ExecutionKey], *, patience: float | None = None) -> Loaded:
        """Return the executions of `keys` that exist, with at most three queries for all of them.

        What newer code wrote costs more queries: it is looked for by halves. Graphs
        that are not planned after `patience` seconds are not waited for.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        unreadable: set[ExecutionKey] = set()

        def leave_out(key: ExecutionKey, error: Undecodable) -> None:
            _logger.error("execution %s cannot be read: %s", key, error, extra=key._asdict())
            unreadable.add(key)

        parts = await read_by_halves(list(keys), partial(self._load, patience=patience), leave_out)
        loaded = reduce(or_, parts, Loaded({}, frozenset(unreadable)))
        if loaded.broken:
            self._telemetry.count("flowmesh.executions.unreadable", len(loaded.broken))
        return loaded

    async def _load(self, keys: Collection[ExecutionKey], patience: float | None) -> Loaded:
        records = await self._executions.get_many(keys)
        graphs = await self._graphs.get_many({_definition(record) for record in records}, patience=patience)
        late = {record.key for record in records if self._is_late(_definition(record), graphs)}
        # What was never started has no history yet.
        begun = {record.key for record in records if record.status is not ExecutionStatus.PENDING} - late
        histories = await self._history.read_many(begun) if begun else {}
        executions = {}
        broken = set()
        for record in records:
            if record.key in late:
                continue
            live = _fold(record, graphs.get(_definition(record)), histories.get(record.key, ()))
            if live is None:
                broken.add(record.key)
            else:
                executions[record.key] = live
        return Loaded(executions, frozenset(broken), frozenset(late))

    def _is_late(self, definition: Definition, graphs: Mapping[Definition, Graph]) -> bool:
        return definition not in graphs and self._graphs.is_planning(definition)


def _definition(record: ExecutionRecord) -> Definition:
    return (record.key.namespace, record.workflow_digest)


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
