"""Answers to commands: who waits for which."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flowmesh_core.application.backoff import Backoff
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.mailbox import Mailbox, MailboxMessage
from flowmesh_core.ports.outbox import Reply


class ReplyDesk:
    """Owns one mailbox and hands each reply to who waits for it.

    Attributes:
        address: The mailbox, to put into `CommandEnvelope.reply_to`.
    """

    def __init__(self, mailbox: Mailbox, address: str, clock: Clock) -> None:
        """Own the mailbox of `address`, which nobody else opens."""
        self.address = address
        self._mailbox = mailbox
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._backoff = Backoff(clock)

    async def run(self) -> None:
        """Take replies in, until cancelled; a reply that came while this did not run is gone."""
        while True:
            try:
                async with self._mailbox.open(self.address) as batches:
                    self._backoff.reset()
                    async for batch in batches:
                        self._deliver(batch)
            except StoreUnavailable:
                await self._backoff.wait()

    @contextmanager
    def expect(self, correlation_id: str) -> Iterator[asyncio.Future[Reply]]:
        """Return the future of a reply, which is forgotten on leaving."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = future
        try:
            yield future
        finally:
            del self._waiting[correlation_id]
            future.cancel()

    def _deliver(self, batch: Sequence[MailboxMessage]) -> None:
        for message in batch:
            if not isinstance(message, Reply):
                continue
            future = self._waiting.get(message.correlation_id)
            if future is not None and not future.done():
                future.set_result(message)
