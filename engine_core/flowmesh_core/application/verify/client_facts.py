"""What clients were told, held against what is stored."""

from __future__ import annotations

from collections.abc import Sequence

from flowmesh_core.application.verify.client_log import Cancelled, Fact, Ran, Reported, Submitted, Watched
from flowmesh_core.application.verify.report import Invariant, Report, Tally
from flowmesh_core.application.verify.trace import Attempt, Trace, Traces
from flowmesh_core.application.verify.watches import Watches
from flowmesh_core.ports.audit import AuditSnapshot, SubmissionRequest


class ClientFacts:
    """Checks I3, I4, I6, I9 and I10, batch by batch.

    Of every handler run it keeps a number of 8 bytes, and nothing else.
    """

    def __init__(self, traces: Traces, report: Report) -> None:
        """Write what is found into `report`."""
        self._traces = traces
        self._report = report
        self._watches = Watches(report[Invariant.WATCHERS])
        self._runs = 0
        self._retries = 0
        self._nodes: set[int] = set()
        self._attempts: set[int] = set()

    async def check(self, facts: Sequence[Fact], snapshot: AuditSnapshot) -> None:
        """Check one batch, which was written before the snapshot was taken."""
        traces = await self._traces.read({fact.key for fact in facts})
        await self._check_requests([fact for fact in facts if isinstance(fact, Submitted)], snapshot)
        for fact in facts:
            self._check(fact, traces.get(fact.key))

    def finish(self, repeats: int | None) -> None:
        """Count the handler runs; more than `repeats` of an attempt that ran before are a violation."""
        tally = self._report[Invariant.DUPLICATES]
        again = self._runs - len(self._attempts)
        tally.note("runs", self._runs)
        tally.note("retries of failed attempts", self._retries)
        tally.note("duplicate runs", self._runs - len(self._nodes) - self._retries)
        tally.note("repeats of one attempt", again)
        if repeats is not None and again > repeats:
            tally.violated("repeats of one attempt", f"{again}, more than {repeats}")

    async def _check_requests(self, facts: Sequence[Submitted], snapshot: AuditSnapshot) -> None:
        """Hold every acknowledged request id against the execution that it stands for."""
        asked = {
            SubmissionRequest(fact.key.namespace, fact.request_id): fact for fact in facts if fact.request_id
        }
        answers = await snapshot.answers(asked.keys()) if asked else {}
        for request, fact in asked.items():
            answer = answers.get(request)
            self._report[Invariant.SUBMISSIONS].require(
                answer == fact.key, fact.key, f"its request {request.request_id} stands for {answer}"
            )

    def _check(self, fact: Fact, trace: Trace | None) -> None:
        if isinstance(fact, Submitted):
            self._report[Invariant.SUBMISSIONS].require(trace is not None, fact.key, "it is lost")
            return
        if trace is None:
            self._tally(fact).require(False, fact.key, f"{type(fact).__name__} of an unknown execution")
            return
        match fact:
            case Cancelled():
                self._check_cancel(fact, trace)
            case Reported():
                self._check_report(fact, trace)
            case Ran():
                self._check_run(fact, trace)
            case Watched():
                self._watches.take(fact, trace)

    def _tally(self, fact: Fact) -> Tally:
        match fact:
            case Ran():
                return self._report[Invariant.DUPLICATES]
            case Watched():
                return self._report[Invariant.WATCHERS]
            case _:
                return self._report[Invariant.COMPLETIONS]

    def _check_cancel(self, fact: Cancelled, trace: Trace) -> None:
        kept = trace.has_cancel or fact.state == trace.status.name
        self._report[Invariant.COMPLETIONS].require(
            kept, fact.key, f"its cancel was answered {fact.state}, and is not in the history"
        )

    def _check_report(self, fact: Reported, trace: Trace) -> None:
        attempt = (fact.node_id, fact.attempt)
        said = f"{fact.outcome} of {fact.node_id}, attempt {fact.attempt}, was answered {fact.answer}"
        if fact.answer == "ACCEPTED":
            self._report[Invariant.COMPLETIONS].require(
                _holds(trace, fact.outcome, attempt),
                fact.key,
                f"{said}, and is not in the history",
            )
        elif fact.outcome == "completed":
            self._report[Invariant.LATE_REPORTS].require(
                attempt not in trace.completed,
                fact.key,
                f"{said}, and completed the node",
            )

    def _check_run(self, fact: Ran, trace: Trace) -> None:
        attempt = (fact.node_id, fact.attempt)
        self._report[Invariant.DUPLICATES].require(
            attempt in trace.scheduled,
            fact.key,
            f"attempt {fact.attempt} of {fact.node_id} ran and was never scheduled",
        )
        self._runs += 1
        self._nodes.add(hash((fact.key, fact.node_id)))
        number = hash((fact.key, *attempt))
        if attempt in trace.retried and number not in self._attempts:
            self._retries += 1
        self._attempts.add(number)


def _holds(trace: Trace, outcome: str, attempt: Attempt) -> bool:
    """Say whether the history has what a report led to; in a cancel, failures end as cancelled."""
    if outcome == "completed":
        return attempt in trace.completed
    return attempt in trace.failed or attempt in trace.cancelled
