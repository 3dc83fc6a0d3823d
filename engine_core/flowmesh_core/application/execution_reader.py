"""Reading executions: a record, and a view folded from its history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flowmesh_core.application.bounded_cache import BoundedCache
from flowmesh_core.application.gathered_reads import GatheredReads
from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.domain.errors import ExecutionNotFound, StoreUnavailable
from flowmesh_core.domain.events import Event, user_bytes
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.view import ExecutionView, apply
from flowmesh_core.ports.execution_store import ExecutionRecord, ExecutionStore
from flowmesh_core.ports.history_store import HistoryStore

_PAGE = 2_000
_WHOLE_NODES = 200
"""The histories of graphs up to this size are read whole, many in a statement."""
_RECORDS_AT_ONCE = 500
_HISTORIES_AT_ONCE = 64
_NODE_WEIGHT = 512
_VIEWS_WEIGHT = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExecutionSnapshot:
    """An execution and its nodes at `view.last_sequence`.

    Attributes:
        accepted: What was asked for; its state may be older than the view.
        view: The fold of the history. Unless the snapshot is frozen it is shared
            and goes on: read it before the next await.
        offered: The handlers, among those that tasks wait for, that connected workers offer.
    """

    accepted: ExecutionRecord
    view: ExecutionView
    offered: frozenset[str] = frozenset()

    @property
    def record(self) -> ExecutionRecord:
        """The record with the state of the view."""
        return replace(
            self.accepted,
            status=self.view.status,
            started_at=self.view.started_at,
            closed_at=self.view.closed_at,
            failure=self.view.failure,
        )

    def frozen(self, offered: frozenset[str]) -> ExecutionSnapshot:
        """Return a snapshot that stays as it is."""
        return ExecutionSnapshot(self.accepted, self.view.copy(), offered)


@dataclass(slots=True)
class _Folded:
    view: ExecutionView
    weight: int


class ExecutionReader:
    """Reads executions, and keeps folded views so that reading again costs the new events alone."""

    def __init__(self, executions: ExecutionStore, histories: HistoryStore, graphs: GraphCache) -> None:
        """Read from these."""
        self._executions = executions
        self._histories = histories
        self._graphs = graphs
        self._records = GatheredReads(self._read_records, _RECORDS_AT_ONCE)
        self._whole = GatheredReads(self._read_histories, _HISTORIES_AT_ONCE)
        self._folded: BoundedCache[tuple[ExecutionKey, Micros], _Folded] = BoundedCache(_VIEWS_WEIGHT)

    async def record(self, key: ExecutionKey) -> ExecutionRecord:
        """Return a record.

        Raises:
            ExecutionNotFound: There is none.
            StoreUnavailable: The store does not answer.
        """
        record = await self._records.get(key)
        if record is None:
            raise ExecutionNotFound(
                f"execution {key.execution_id} does not exist in namespace {key.namespace}",
                metadata={"namespace": key.namespace, "execution_id": key.execution_id},
            )
        return record

    async def graph(self, record: ExecutionRecord) -> Graph:
        """Return what an execution runs.

        Raises:
            StoreUnavailable: The store does not answer, or lacks the definition.
        """
        definition = (record.key.namespace, record.workflow_digest)
        graph = (await self._graphs.get_many([definition])).get(definition)
        if graph is None:
            raise StoreUnavailable(f"the workflow of execution {record.key} cannot be read", retry_after=5.0)
        return graph

    async def snapshot(self, key: ExecutionKey) -> ExecutionSnapshot:
        """Return an execution as its history tells it now.

        Raises:
            ExecutionNotFound: There is none.
            StoreUnavailable: The store does not answer.
        """
        return await self.fold(await self.record(key))

    async def fold(self, record: ExecutionRecord, *, keep_closed: bool = True) -> ExecutionSnapshot:
        """Return the execution of a record, which may be older, as its history tells it now.

        A closed one is kept for who reads it again unless `keep_closed` is False.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        key = record.key
        life = (key, record.created_at)  # an id may be used again after its execution was removed
        folded = self._folded.get(life)
        if folded is None:
            view = ExecutionView(await self.graph(record))
            folded = _Folded(view, _NODE_WEIGHT * len(view.nodes))
        await self._catch_up(key, folded)
        if keep_closed or not folded.view.status.is_terminal:
            self._folded.put(life, folded, folded.weight)
        return ExecutionSnapshot(record, folded.view)

    async def _catch_up(self, key: ExecutionKey, folded: _Folded) -> None:
        view = folded.view
        if not view.last_sequence and len(view.nodes) <= _WHOLE_NODES:
            _apply_all(folded, await self._whole.get(key) or ())
            return
        while not view.status.is_terminal:
            before = view.last_sequence
            events = await self._histories.read(key, after=before, limit=_PAGE)
            _apply_all(folded, events)
            if len(events) < _PAGE or view.last_sequence == before:
                return

    async def _read_records(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, ExecutionRecord]:
        return {record.key: record for record in await self._executions.get_many(keys)}

    async def _read_histories(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, Sequence[Event]]:
        return await self._histories.read_many(keys)


def _apply_all(folded: _Folded, events: Iterable[Event]) -> None:
    for event in events:
        if event.sequence == folded.view.last_sequence + 1:  # another reader may have been faster
            apply(folded.view, event)
            folded.weight += user_bytes(event)
