"""Cancelling an execution."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from hashlib import sha256

from flowmesh_core.application.execution_reader import ExecutionReader
from flowmesh_core.application.replies import ReplyDesk
from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.domain.commands import CancelExecution as CancelCommand
from flowmesh_core.domain.errors import DecisionPending, FieldViolation, IdempotencyMismatch, StoreUnavailable
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.command_log import CommandEnvelope, CommandLog
from flowmesh_core.ports.execution_store import ExecutionStore
from flowmesh_core.ports.id_source import IdSource
from flowmesh_core.ports.outbox import Reply

DEFAULT_GRACE = Micros(30 * SECOND)
MAXIMUM_GRACE = Micros(3_600 * SECOND)
MAXIMUM_REASON = 1_000


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A cancel as a caller asks for it.

    Attributes:
        key: The execution.
        reason: Why, for those who read the history.
        grace: How long running tasks may take to stop.
        request_id: The caller's idempotency key; empty for none.
        traceparent: W3C trace context of the call; may be empty.
        violations: What could not be read as the caller wrote it.
    """

    key: ExecutionKey
    reason: str = ""
    grace: Micros = DEFAULT_GRACE
    request_id: str = ""
    traceparent: str = ""
    violations: tuple[FieldViolation, ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionPatience:
    """How long a caller waits for a decision, and how soon the command is sent again, in seconds."""

    total: float = 10.0
    resend: float = 2.0


@dataclass(frozen=True, slots=True)
class CancelPorts:
    """What cancelling needs from the world."""

    executions: ExecutionStore
    commands: CommandLog
    replies: ReplyDesk
    ids: IdSource
    clock: Clock


class CancelExecution:
    """Has the owner of an execution cancel it, and waits for the decision."""

    def __init__(
        self,
        reader: ExecutionReader,
        ports: CancelPorts,
        patience: DecisionPatience = DecisionPatience(),
    ) -> None:
        """Wait for a decision with `patience`."""
        self._reader = reader
        self._ports = ports
        self._patience = patience

    async def __call__(self, request: CancelRequest) -> ExecutionStatus:
        """Return the state after the decision; one that is closed or cancelling keeps its state.

        Raises:
            ExecutionNotFound: There is no such execution.
            InvalidRequest: A field is malformed.
            IdempotencyMismatch: The request id was used with other content.
            DecisionPending: No owner decided in time; the cancel may still happen.
            StoreUnavailable: The store does not answer.
        """
        _check(request)
        record = await self._reader.record(request.key)
        await self._claim(request)
        if record.status.is_terminal or record.status is ExecutionStatus.CANCELLING:
            return record.status
        reply = await self._decide(record.partition, request)
        if reply.verdict is Verdict.UNKNOWN or reply.status is None:
            await self._reader.record(request.key)  # it may have been removed meanwhile
            raise _pending()
        return reply.status

    async def _claim(self, request: CancelRequest) -> None:
        if not request.request_id:
            return
        claimed = await self._ports.executions.claim_request(
            request.key,
            "CancelExecution",
            request.request_id,
            _digest(request),
            self._ports.clock.now(),
        )
        if not claimed:
            raise IdempotencyMismatch(
                "the request id was used before with other content",
                metadata={"request_id": request.request_id},
            )

    async def _decide(self, partition: int, request: CancelRequest) -> Reply:
        envelope = CommandEnvelope(
            partition,
            CancelCommand(request.key, request.reason, request.grace),
            reply_to=self._ports.replies.address,
            correlation_id=self._ports.ids.new_id(),
            traceparent=request.traceparent,
        )
        with self._ports.replies.expect(envelope.correlation_id) as reply:
            try:
                async with asyncio.timeout(self._patience.total):
                    return await self._send_until(envelope, reply)
            except TimeoutError:
                raise _pending() from None

    async def _send_until(self, envelope: CommandEnvelope, reply: asyncio.Future[Reply]) -> Reply:
        """Send again and again: commands and replies may get lost, and deciding twice is harmless."""
        while True:
            try:
                async with asyncio.timeout(self._patience.resend):
                    await self._ports.commands.send([envelope])
                    return await asyncio.shield(reply)
            except TimeoutError:
                continue
            except StoreUnavailable:
                await self._ports.clock.sleep(self._patience.resend)


def _check(request: CancelRequest) -> None:
    check = RequestCheck(request.violations)
    check.key(request.key)
    check.text("request_id", request.request_id)
    check.text("reason", request.reason, MAXIMUM_REASON)
    check.span("grace", request.grace, MAXIMUM_GRACE)
    check.refuse_if_wrong()


def _digest(request: CancelRequest) -> str:
    content = [*request.key, request.reason, request.grace]
    return sha256(json.dumps(content).encode()).hexdigest()


def _pending() -> DecisionPending:
    return DecisionPending(
        "no orchestrator decided in time; the cancel may still happen, so repeat it", retry_after=1.0
    )
