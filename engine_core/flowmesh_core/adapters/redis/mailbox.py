"""Mailboxes on Redis channels."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis import keys
from flowmesh_core.adapters.redis.listener import Listener
from flowmesh_core.adapters.redis.messages import decode_messages, encode_messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.ports.mailbox import MailboxMessage
    from flowmesh_core.ports.telemetry import Telemetry

_CAPACITY = 10_000
"""Batches that a slow reader may be behind before the oldest is dropped."""


class RedisMailbox:
    """A `Mailbox`."""

    def __init__(self, client: RedisClient, telemetry: Telemetry) -> None:
        self._client = client
        self._telemetry = telemetry

    @asynccontextmanager
    async def open(self, member_id: str) -> AsyncIterator[AsyncIterator[Sequence[MailboxMessage]]]:
        """Open the mailbox of a member."""
        async with self._client.subscriptions.listen([keys.mailbox(member_id)], _CAPACITY) as feed:
            yield Listener(feed, _batches, self._telemetry)

    async def post(self, member_id: str, messages: Sequence[MailboxMessage]) -> None:
        """Send messages to a member."""
        await self._client.call("PUBLISH", keys.mailbox(member_id), encode_messages(messages))


def _batches(body: bytes | None) -> list[Sequence[MailboxMessage]]:
    return [] if body is None else [decode_messages(body)]
