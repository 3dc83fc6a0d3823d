"""Reading everything in Redis that can be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hiredis import ReplyError

from flowmesh_core.adapters.redis import keys
from flowmesh_core.adapters.redis.wire import checked
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.audit import Backlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.adapters.redis.wire import Reply

_COUNT = 500
_STREAMS = ("fm:{p*}:commands", "fm:{p*}:parked", "fm:{q:*}:tasks:*", "fm:{q:*}:parked")


class RedisTransportAudit:
    """A `TransportAudit`. It scans for keys, so it also finds what nothing refers to any more."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def marks(self) -> AsyncIterator[Mapping[ExecutionKey, int]]:
        """Yield the dispatched sequences."""
        async for key in self._keys("fm:{p*}:dispatched"):
            async for fields in self._pages("HSCAN", key):
                found = dict(zip(fields[::2], fields[1::2], strict=True))
                found.pop(keys.BEAT_FIELD.encode(), None)
                if found:
                    yield {_execution(name): int(sequence) for name, sequence in found.items()}

    async def backlogs(self) -> AsyncIterator[Backlog]:
        """Yield every stream."""
        for pattern in _STREAMS:
            async for key in self._keys(pattern):
                yield await self._backlog(key)

    async def _backlog(self, key: bytes) -> Backlog:
        length, pending = await self._client.pipeline([("XLEN", key), ("XPENDING", key, keys.TASK_GROUP)])
        nobody = isinstance(pending, ReplyError) and str(pending).startswith("NOGROUP")
        return Backlog(
            key.decode(errors="replace"), int(checked(length)), 0 if nobody else int(checked(pending)[0])
        )

    async def _keys(self, pattern: str) -> AsyncIterator[bytes]:
        async for page in self._pages("SCAN", options=("MATCH", pattern)):
            for key in page:
                yield key

    async def _pages(self, *head: str | bytes, options: tuple[str, ...] = ()) -> AsyncIterator[list[bytes]]:
        """Yield what a cursor goes through; a name may come twice when others write meanwhile."""
        cursor: Reply = b"0"
        while True:
            cursor, page = await self._client.call(*head, cursor, *options, "COUNT", _COUNT)
            yield page
            if cursor == b"0":
                return


def _execution(name: bytes) -> ExecutionKey:
    namespace, _, execution_id = name.decode().partition("/")
    return ExecutionKey(namespace, execution_id)
