"""Messages between the gateway and owners, other gateways and queues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from flowmesh_core.application.backoff import Backoff
from flowmesh_core.application.outlived import outlived
from flowmesh_core.application.worker_gateway.attachment import Attachments
from flowmesh_core.application.worker_gateway.beating import Beating
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.reporting import Reporting
from flowmesh_core.ports.command_log import CommandLog, QueueEntry
from flowmesh_core.ports.mailbox import (
    HeartbeatAnswer,
    HeartbeatForward,
    Mailbox,
    MailboxMessage,
    TasksMoved,
)
from flowmesh_core.ports.outbox import CancelNotice, Reply
from flowmesh_core.ports.task_queue import TaskQueue

_log = logging.getLogger(__name__)

_BATCH = 2_000
_RESEND_TICK = 1.0


class Courier:
    """Sends commands in batches until they are answered, runs errands, and opens the mail."""

    def __init__(
        self,
        desk: Desk,
        reporting: Reporting,
        beating: Beating,
        attachments: Attachments,
        *,
        commands: CommandLog,
        queue: TaskQueue,
        mailbox: Mailbox,
        on_answer: Callable[[HeartbeatAnswer], None],
    ) -> None:
        """Give `on_answer` what other gateways say of heartbeats."""
        self._desk = desk
        self._reporting = reporting
        self._beating = beating
        self._attachments = attachments
        self._commands = commands
        self._queue = queue
        self._mailbox = mailbox
        self._on_answer = on_answer
        self._outlived = partial(outlived, _log, desk.telemetry)

    async def run(self) -> None:
        """Carry messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send())
            group.create_task(self._resend())
            group.create_task(self._run_errands())
            group.create_task(self._receive())

    async def _send(self) -> None:
        backoff = Backoff(self._desk.clock)
        decisions = self._desk.decisions
        while True:
            await decisions.arrived.wait()
            batch = decisions.next_batch(_BATCH)
            if not batch:
                continue
            with self._outlived(f"send {len(batch)} commands") as sending:
                await self._commands.send([undecided.envelope for undecided in batch])
            if sending.met_outage:
                decisions.unsent(batch)
            else:  # what was refused is sent again for want of an answer, and holds up nothing else
                decisions.sent(batch, self._desk.clock.monotonic())
            if sending.failure is None:
                backoff.reset()
            else:
                await backoff.wait()

    async def _resend(self) -> None:
        settings = self._desk.settings
        while True:
            await self._desk.clock.sleep(_RESEND_TICK)
            before = self._desk.clock.monotonic() - settings.resend_after
            late = self._desk.decisions.resend(before, settings.resend_limit)
            if late:
                self._desk.telemetry.count("flowmesh.commands.late", late)

    async def _run_errands(self) -> None:
        backoff = Backoff(self._desk.clock)
        while True:
            await self._desk.errands.arrived.wait()
            entries, mail = self._desk.errands.take_all()
            with self._outlived(f"remove {len(entries)} queue entries or send mail") as delivering:
                await self._deliver(entries, mail)
            if delivering.failure is None:
                backoff.reset()
            else:
                await backoff.wait()

    async def _deliver(
        self, entries: Sequence[QueueEntry], mail: Mapping[str, Sequence[MailboxMessage]]
    ) -> None:
        if entries:
            await self._queue.remove(entries)
        for gateway_id, messages in mail.items():
            await self._mailbox.post(gateway_id, messages)

    async def _receive(self) -> None:
        backoff = Backoff(self._desk.clock)
        while True:
            with self._outlived("open the mailbox"):
                async with self._mailbox.open(self._desk.gateway_id) as batches:
                    async for batch in batches:
                        self._open(batch)
                        backoff.reset()
            await backoff.wait()

    def _open(self, batch: Sequence[MailboxMessage]) -> None:
        self._reporting.resolve([message for message in batch if isinstance(message, Reply)])
        self._reporting.cancel([message for message in batch if isinstance(message, CancelNotice)])
        for message in batch:
            match message:
                case HeartbeatForward(reply_to=sender):
                    self._desk.errands.post(sender, self._beating.forwarded(message))
                case HeartbeatAnswer():
                    self._on_answer(message)
                case TasksMoved(tokens):
                    found = [self._desk.find(token) for token in tokens]
                    self._attachments.release(held for held in found if held is not None)
                case _:
                    pass
