"""Every record beside its history, in one pass over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.verify.history_check import HistoryCheck
from flowmesh_core.application.verify.report import Invariant, Report
from flowmesh_core.domain.evolve import evolve
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.ports.audit import AuditedRow, AuditSnapshot
from flowmesh_core.ports.execution_store import ExecutionRecord


@dataclass(frozen=True, slots=True)
class AgeLimit:
    """When an execution has to have ended.

    Attributes:
        now: The moment of the check.
        seconds: The greatest age of an open execution; None for any.
    """

    now: Micros
    seconds: float | None


class StoredExecutions:
    """Checks I1, I2 and I5 on a snapshot."""

    def __init__(self, graphs: GraphCache, age: AgeLimit, report: Report) -> None:
        """Write what is found into `report`."""
        self._graphs = graphs
        self._age = age
        self._report = report

    async def check(self, snapshot: AuditSnapshot) -> None:
        """Go through all executions and all rows of history."""
        rows = _Ahead(snapshot.rows())
        await rows.advance()
        async for record in snapshot.records():
            await self._strays(rows, record)
            self._check_age(record)
            await self._check_execution(record, rows)
        await self._strays(rows, None)

    async def _strays(self, rows: _Ahead, record: ExecutionRecord | None) -> None:
        """Pass over rows before a record, which are of no execution."""
        while rows.current is not None and (record is None or rows.current.key < record.key):
            stray = rows.current
            self._report[Invariant.FOLD].violated(
                stray.key, f"history at sequence {stray.first_sequence} of an execution that does not exist"
            )
            await rows.advance()

    def _check_age(self, record: ExecutionRecord) -> None:
        tally = self._report[Invariant.ENDS]
        if record.status.is_terminal:
            tally.require(True, record.key, "")
            return
        tally.note("open")
        seconds = (self._age.now - record.created_at) / SECOND
        is_young = self._age.seconds is None or seconds <= self._age.seconds
        tally.require(is_young, record.key, f"{record.status.name} after {seconds:.0f} s")

    async def _check_execution(self, record: ExecutionRecord, rows: _Ahead) -> None:
        definition = (record.key.namespace, record.workflow_digest)
        graph = (await self._graphs.get_many([definition])).get(definition)
        if graph is None:
            self._report[Invariant.FOLD].require(False, record.key, "its definition cannot be read")
            while (await rows.next_of(record.key)) is not None:
                continue
            return
        await self._check_history(record, graph, rows)

    async def _check_history(self, record: ExecutionRecord, graph: Graph, rows: _Ahead) -> None:
        history, fold = self._report[Invariant.HISTORY], self._report[Invariant.FOLD]
        check, state, is_sound = HistoryCheck(graph), ExecutionState(record.key, graph, record.input), True
        while (row := await rows.next_of(record.key)) is not None:
            for problem in check.row(row):
                history.violated(record.key, problem)
                is_sound = False
            for event in row.events if is_sound else ():
                evolve(state, event)
            history.note("events", len(row.events))
        history.checked += 1
        if is_sound:
            said, told = record.status, state.status
            fold.require(said is told, record.key, f"the record says {said.name}, the history {told.name}")
        closed = record.closed_at is not None
        fold.require(closed == record.status.is_terminal, record.key, "its close time is wrong")


class _Ahead:
    """A stream of rows with the next one in view."""

    def __init__(self, rows: AsyncIterator[AuditedRow]) -> None:
        self._rows = rows
        self.current: AuditedRow | None = None

    async def advance(self) -> None:
        self.current = await anext(self._rows, None)

    async def next_of(self, key: object) -> AuditedRow | None:
        """Take the next row if it is of this execution."""
        row = self.current
        if row is None or row.key != key:
            return None
        await self.advance()
        return row
