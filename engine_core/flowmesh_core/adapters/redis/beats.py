"""How loss of data in Redis is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.ports.command_log import TransportLost

if TYPE_CHECKING:
    from collections.abc import Mapping


class Beats:
    """The newest beat that this process saw of each partition.

    A beat is a counter in Redis, raised by every flush that dispatches
    something of the partition, after its tasks. It starts at the time of its
    creation in microseconds. So when Redis is empty or older than it was, the
    beat is gone or lower, and the flush notes nothing as dispatched. It is
    looked at for nothing: in each flush, and when a reader opens the log again
    after a broken connection. A stream that disappears makes the next read fail.

    The log and the outbox of a process share one of these.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def start(self, partition: int, beat: int) -> None:
        """Take the beat as it is, when a partition is opened."""
        self._seen[partition] = beat

    def seen(self, partition: int) -> int:
        """Return the newest beat seen; 0 for none."""
        return self._seen.get(partition, 0)

    def advance(self, raised: Mapping[int, tuple[int, int]]) -> None:
        """Take beats as (seen before it was raised, after).

        Raises:
            TransportLost: Some went backwards.
        """
        lost = [partition for partition, (before, now) in raised.items() if now <= before]
        for partition, (_, now) in raised.items():
            self._seen[partition] = max(now, self.seen(partition))
        if lost:
            raise TransportLost("Redis is older than it was", lost)
