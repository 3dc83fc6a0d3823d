"""The twin of the mailbox."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from flowmesh_core.adapters.feed import Feed
    from flowmesh_core.adapters.memory.transport import MemoryTransport
    from flowmesh_core.ports.mailbox import MailboxMessage


class MemoryMailbox:
    """A `Mailbox`."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    @asynccontextmanager
    async def open(self, member_id: str) -> AsyncIterator[AsyncIterator[Sequence[MailboxMessage]]]:
        """Open the mailbox of a member."""
        self._transport.require()
        with self._transport.mail.listen([member_id]) as feed:
            yield _batches(feed)

    async def post(self, member_id: str, messages: Sequence[MailboxMessage]) -> None:
        """Send messages to a member."""
        self._transport.require()
        self._transport.mail.publish(member_id, tuple(messages))


async def _batches(feed: Feed[Sequence[MailboxMessage]]) -> AsyncIterator[Sequence[MailboxMessage]]:
    while True:
        if (batch := await feed.get()) is not None:
            yield batch
