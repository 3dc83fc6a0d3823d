"""The twin of the load gauge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.ports.load_gauge import Load

if TYPE_CHECKING:
    from collections.abc import Collection

    from flowmesh_core.adapters.memory.transport import MemoryTransport


class MemoryLoadGauge:
    """A `LoadGauge`."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    async def read(self, partitions: int, namespaces: Collection[str]) -> Load:
        """Return the load; see the port."""
        self._transport.require()
        return Load(
            {number: len(self._transport.logs[number].entries) for number in range(partitions)},
            sum(len(self._transport.dispatched[number]) for number in range(partitions)),
            {namespace: self._tasks(namespace) for namespace in namespaces},
        )

    def _tasks(self, namespace: str) -> int:
        queues = (queue for name, queue in self._transport.queues.items() if name.namespace == namespace)
        return sum(len(queue.waiting) + len(queue.pending) for queue in queues)
