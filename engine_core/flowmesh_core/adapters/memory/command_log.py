"""The twin of the command log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.ports.command_log import CommandEnvelope, DeliveredCommand, TransportLost

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flowmesh_core.adapters.memory.transport import Log, MemoryTransport


class MemoryCommandLog:
    """A `CommandLog`; one for each process that reads."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport
        self._closed: set[int] = set()
        self._interrupts = 0

    async def send(self, envelopes: Sequence[CommandEnvelope]) -> None:
        """Add commands to the logs of their partitions."""
        self._transport.require()
        for envelope in envelopes:
            log = self._transport.logs[envelope.partition]
            log.entries[self._transport.next_entry()] = envelope
        self._transport.wake()

    async def open(self, partitions: Collection[int]) -> None:
        """Take the logs over from whoever read them."""
        self._transport.require()
        for partition in partitions:
            self._transport.logs[partition].reader = self
        self._transport.opened.update(partitions)
        self._closed.difference_update(partitions)
        self._transport.wake()

    def close(self, partitions: Collection[int]) -> None:
        """Leave logs to others."""
        self._closed.update(partitions)

    def interrupt(self) -> None:
        """Let reads that wait return."""
        self._interrupts += 1
        self._transport.wake()

    async def claim(self, partition: int) -> Sequence[DeliveredCommand]:
        """Return every command up to the place of the reader."""
        self._transport.require()
        log = self._opened([partition])[0]
        return [_delivered(number, log) for number in log.entries if number <= log.place]

    async def receive(
        self, partitions: Sequence[int], *, limit: int, wait: float
    ) -> Sequence[DeliveredCommand]:
        """Return new commands, waiting for the first on the clock of the transport.

        Raises:
            TransportLost: A log was lost or taken over.
        """
        clock = self._transport.clock
        deadline = clock.monotonic() + wait
        interrupts = self._interrupts
        while True:
            self._transport.require()
            delivered = [each for log in self._opened(partitions) for each in _next(log, limit)]
            left = deadline - clock.monotonic()
            if delivered or left <= 0 or interrupts != self._interrupts:
                return delivered
            await self._transport.changed(left)

    async def depth(self, partitions: Collection[int]) -> int:
        """Return the length of the longest log."""
        self._transport.require()
        return max((len(self._transport.logs[each].entries) for each in partitions), default=0)

    def _opened(self, partitions: Sequence[int]) -> list[Log]:
        logs = self._transport.logs
        lost = [each for each in partitions if logs[each].reader is not self or each in self._closed]
        if lost:
            raise TransportLost("the log was deleted or taken over", lost)
        return [logs[partition] for partition in partitions]


def _next(log: Log, limit: int) -> list[DeliveredCommand]:
    numbers = [number for number in log.entries if number > log.place][:limit]
    if numbers:
        log.place = numbers[-1]
    return [_delivered(number, log) for number in numbers]


def _delivered(number: int, log: Log) -> DeliveredCommand:
    return DeliveredCommand(f"{number}-0", log.entries[number])
