"""The worker registry on Redis: what each gateway says, with a time to live."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis import keys
from flowmesh_core.adapters.redis.messages import decode_workers, encode_workers
from flowmesh_core.adapters.redis.wire import checked
from flowmesh_core.ports.undecodable import Undecodable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.ports.worker_registry import ConnectedWorker

_log = logging.getLogger(__name__)


class RedisWorkerRegistry:
    """A `WorkerRegistry`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def publish(self, gateway_id: str, workers: Sequence[ConnectedWorker], ttl: float) -> None:
        """Replace what a gateway said before."""
        replies = await self._client.pipeline(
            [
                ("SET", keys.workers(gateway_id), encode_workers(workers), "PX", max(1, round(ttl * 1000))),
                ("SADD", keys.REGISTERED_GATEWAYS, gateway_id),
            ]
        )
        for reply in replies:
            checked(reply)

    async def list(self, namespace: str) -> Sequence[ConnectedWorker]:
        """Return the workers of a namespace by id."""
        newest: dict[str, ConnectedWorker] = {}
        for worker in sorted(await self._workers(namespace), key=lambda each: each.last_seen_at):
            newest[worker.worker_id] = worker
        return [newest[worker_id] for worker_id in sorted(newest)]

    async def offered(self, namespace: str, handlers: Collection[str]) -> frozenset[str]:
        """Return those of the handlers that a connected worker offers."""
        workers = [*await self._workers(namespace)]
        if any(worker.all_handlers for worker in workers):
            return frozenset(handlers)
        return frozenset(handlers) & {handler for worker in workers for handler in worker.handlers}

    async def _workers(self, namespace: str) -> Iterator[ConnectedWorker]:
        gateways = await self._client.call("SMEMBERS", keys.REGISTERED_GATEWAYS)
        if not gateways:
            return iter(())
        said = await self._client.call("MGET", *(keys.workers(each.decode()) for each in gateways))
        gone = [each for each, body in zip(gateways, said, strict=True) if body is None]
        if gone:
            await self._client.call("SREM", keys.REGISTERED_GATEWAYS, *gone)
        bodies = (body for body in said if body is not None)
        return (worker for body in bodies for worker in _readable(body) if worker.namespace == namespace)


def _readable(body: bytes) -> Sequence[ConnectedWorker]:
    try:
        return decode_workers(body)
    except Undecodable as error:
        _log.warning("the workers of a gateway could not be read: %s", error)
        return ()
