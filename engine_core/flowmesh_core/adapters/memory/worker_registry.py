"""The twin of the worker registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from flowmesh_core.adapters.memory.transport import MemoryTransport
    from flowmesh_core.ports.worker_registry import ConnectedWorker


class MemoryWorkerRegistry:
    """A `WorkerRegistry`."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    async def publish(self, gateway_id: str, workers: Sequence[ConnectedWorker], ttl: float) -> None:
        """Replace what a gateway said before."""
        self._transport.require()
        self._transport.workers[gateway_id] = (self._transport.clock.monotonic() + ttl, tuple(workers))

    async def list(self, namespace: str) -> Sequence[ConnectedWorker]:
        """Return the workers of a namespace by id."""
        self._transport.require()
        by_age = sorted(self._workers(namespace), key=lambda worker: worker.last_seen_at)
        newest = {worker.worker_id: worker for worker in by_age}
        return [newest[worker_id] for worker_id in sorted(newest)]

    async def offered(self, namespace: str, handlers: Collection[str]) -> frozenset[str]:
        """Return those of the handlers that a connected worker offers."""
        self._transport.require()
        workers = list(self._workers(namespace))
        return frozenset(
            handler
            for handler in handlers
            if any(worker.all_handlers or handler in worker.handlers for worker in workers)
        )

    def _workers(self, namespace: str) -> Iterator[ConnectedWorker]:
        now = self._transport.clock.monotonic()
        for until, workers in self._transport.workers.values():
            if now < until:
                yield from (worker for worker in workers if worker.namespace == namespace)
