"""The load gauge on Redis: lengths only, each read in constant time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis import keys
from flowmesh_core.adapters.redis.wire import checked
from flowmesh_core.ports.load_gauge import Load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.adapters.redis.wire import Command


class RedisLoadGauge:
    """A `LoadGauge`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def read(self, partitions: int, namespaces: Collection[str]) -> Load:
        """Return the load; see the port."""
        numbers = range(partitions)
        lengths = await self._numbers(
            [
                *(("XLEN", keys.commands(number)) for number in numbers),
                *(("HLEN", keys.dispatched(number)) for number in numbers),
                *(("HEXISTS", keys.dispatched(number), keys.BEAT_FIELD) for number in numbers),
            ]
        )
        commands, rest = lengths[:partitions], lengths[partitions:]
        marks, beats = rest[:partitions], rest[partitions:]
        tasks = await self._tasks(list(namespaces))
        return Load(dict(enumerate(commands)), sum(marks) - sum(beats), tasks)

    async def _tasks(self, namespaces: list[str]) -> Mapping[str, int]:
        handlers = await self._client.pipeline([("SMEMBERS", keys.queues(each)) for each in namespaces])
        queues = [
            (namespace, handler.decode())
            for namespace, found in zip(namespaces, handlers, strict=True)
            for handler in checked(found)
        ]
        lengths = await self._numbers([("XLEN", keys.tasks(*queue)) for queue in queues])
        tasks = Counter(dict.fromkeys(namespaces, 0))
        for (namespace, _), length in zip(queues, lengths, strict=True):
            tasks[namespace] += length
        return tasks

    async def _numbers(self, commands: list[Command]) -> list[int]:
        return [int(checked(reply)) for reply in await self._client.pipeline(commands)]
