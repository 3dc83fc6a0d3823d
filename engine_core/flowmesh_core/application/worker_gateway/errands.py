"""Small things to do on Redis that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.mailbox import MailboxMessage

_MAXIMUM = 50_000


class Errands:
    """Gathers them, so that one trip does many.

    All are best effort: what is lost is found out later by a deadline or by
    the reaper. With too many waiting, new ones are dropped.

    Attributes:
        arrived: Set when there is something to do.
    """

    def __init__(self) -> None:
        """Start with nothing to do."""
        self.arrived = asyncio.Event()
        self._removals: list[QueueEntry] = []
        self._mail: dict[str, list[MailboxMessage]] = {}
        self._count = 0

    def remove(self, entry: QueueEntry) -> None:
        """Remove a task from its queue, which no decision of an owner will do."""
        if self._admit():
            self._removals.append(entry)

    def post(self, gateway_id: str, message: MailboxMessage) -> None:
        """Send a message to another gateway."""
        if self._admit():
            self._mail.setdefault(gateway_id, []).append(message)

    def take_all(self) -> tuple[Sequence[QueueEntry], Mapping[str, Sequence[MailboxMessage]]]:
        """Return the entries to remove and the messages by gateway, and forget them."""
        todo = self._removals, self._mail
        self._removals, self._mail, self._count = [], {}, 0
        self.arrived.clear()
        return todo

    def _admit(self) -> bool:
        if self._count >= _MAXIMUM:
            return False
        self._count += 1
        self.arrived.set()
        return True
