"""The check as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.verify.client_facts import ClientFacts
from flowmesh_core.application.verify.client_log import Fact, parse_fact
from flowmesh_core.application.verify.report import Invariant, Report
from flowmesh_core.application.verify.stored_executions import AgeLimit, StoredExecutions
from flowmesh_core.application.verify.trace import Traces
from flowmesh_core.ports.audit import AuditSnapshot, AuditStore, TransportAudit
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.execution_store import ExecutionStore
from flowmesh_core.ports.history_store import HistoryStore

_FACTS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class VerifyPorts:
    """What a check reads."""

    audit: AuditStore
    transport: TransportAudit
    executions: ExecutionStore
    histories: HistoryStore
    graphs: GraphCache
    clock: Clock


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What may be expected.

    Attributes:
        is_settled: The load has ended: every execution is closed and nothing is on its way.
        maximum_age: Seconds after which an open execution is a violation; None for never.
        repeats: How often handlers may have run an attempt that ran before; None for any number.
    """

    is_settled: bool = False
    maximum_age: float | None = None
    repeats: int | None = None


class Verify:
    """Reads everything that is stored and checks what must always hold.

    It changes nothing, knows nothing of the memory of any process, and may run
    beside a live system: what moves meanwhile is not taken for a violation.
    """

    def __init__(self, ports: VerifyPorts, options: VerifyOptions) -> None:
        """Prepare a check."""
        self._ports = ports
        self._options = options
        self._report = Report()

    async def run(self, log: Iterable[str]) -> Report:
        """Check once, with the lines of client logs that were written before this call.

        Raises:
            StoreUnavailable: A store does not answer.
        """
        await self._check_marks()
        async with self._ports.audit.snapshot() as snapshot:
            await self._check_stored(snapshot)
            await self._check_facts(log, snapshot)
        if self._options.is_settled:
            await self._check_leftovers()
        return self._report

    async def _check_marks(self) -> None:
        """Marks are read first, as a mark never comes before what it marks."""
        tally = self._report[Invariant.FOLD]
        async for marks in self._ports.transport.marks():
            async with self._ports.audit.snapshot() as snapshot:
                last = await snapshot.last_sequences(marks.keys())
            for key, mark in marks.items():
                if key in last:  # a removed execution may leave a mark behind
                    problem = f"marked at {mark}, its history ends at {last[key]}"
                    tally.require(mark <= last[key], key, problem)
            tally.note("marks", len(marks))

    async def _check_stored(self, snapshot: AuditSnapshot) -> None:
        age = 0.0 if self._options.is_settled else self._options.maximum_age
        limit = AgeLimit(self._ports.clock.now(), age)
        await StoredExecutions(self._ports.graphs, limit, self._report).check(snapshot)
        tally = self._report[Invariant.SUBMISSIONS]
        async for request in snapshot.unanswered_requests():
            tally.violated(f"{request.namespace}/{request.request_id}", "the request stands for no execution")

    async def _check_facts(self, log: Iterable[str], snapshot: AuditSnapshot) -> None:
        ports = self._ports
        facts = self._facts(log)
        check = ClientFacts(Traces(ports.executions, ports.histories, ports.graphs), self._report)
        while batch := list(islice(facts, _FACTS_AT_ONCE)):
            await check.check(batch, snapshot)
        check.finish(self._options.repeats)

    def _facts(self, log: Iterable[str]) -> Iterator[Fact]:
        for line in log:
            fact = parse_fact(line)
            if fact is None:
                self._report[Invariant.SUBMISSIONS].note("unreadable lines")
            else:
                yield fact

    async def _check_leftovers(self) -> None:
        tally = self._report[Invariant.LEFTOVERS]
        async for backlog in self._ports.transport.backlogs():
            is_empty = not backlog.entries and not backlog.pending
            tally.require(is_empty, backlog.name, f"{backlog.entries} entries, {backlog.pending} pending")
        async for marks in self._ports.transport.marks():
            tally.note("marks of closed executions", len(marks))
