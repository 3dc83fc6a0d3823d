"""Messages to one server process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from flowmesh_core.domain.record import record
from flowmesh_core.ports.outbox import CancelNotice, Reply


@record(frozen=True, slots=True)
class HeartbeatForward:
    """A heartbeat that reached another gateway than the one that holds the task."""

    task_token: bytes
    reply_to: str
    correlation_id: str


@record(frozen=True, slots=True)
class HeartbeatAnswer:
    """What the holding gateway knows of the task."""

    correlation_id: str
    held: bool
    cancelled: bool


@record(frozen=True, slots=True)
class TasksMoved:
    """Another gateway took tasks over; the receiver lets go of them."""

    task_tokens: tuple[bytes, ...]


MailboxMessage = Reply | CancelNotice | HeartbeatForward | HeartbeatAnswer | TasksMoved


class Mailbox(Protocol):
    """A mailbox per member. Delivery is at most once and only while it is open: senders repeat."""

    def open(self, member_id: str) -> AbstractAsyncContextManager[AsyncIterator[Sequence[MailboxMessage]]]:
        """Open the mailbox of a member: batches of messages, in order of each sender.

        On entry the subscription is active: what is posted afterwards arrives.
        A broken connection is opened again by itself.
        """

    async def post(self, member_id: str, messages: Sequence[MailboxMessage]) -> None:
        """Send messages to a member.

        Raises:
            StoreUnavailable: The transport does not answer.
        """
