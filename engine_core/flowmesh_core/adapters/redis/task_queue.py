"""The task queue on Redis Streams: one stream per (namespace, handler).

The consumer group's pending list is the record of which gateway holds what.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from contextlib import asynccontextmanager
from itertools import groupby
from typing import TYPE_CHECKING

from hiredis import ReplyError

from flowmesh_core.adapters.codec import decode_task
from flowmesh_core.adapters.redis import keys, scripts
from flowmesh_core.adapters.redis.listener import Listener
from flowmesh_core.adapters.redis.messages import decode_names
from flowmesh_core.adapters.redis.outbox import task_removals
from flowmesh_core.adapters.redis.parking import Parking
from flowmesh_core.adapters.redis.wire import checked
from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.task_queue import QueueName, TakenTask
from flowmesh_core.ports.undecodable import Undecodable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence

    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.adapters.redis.wire import Command, Reply
    from flowmesh_core.ports.telemetry import Telemetry

_log = logging.getLogger(__name__)

QUEUES_PER_TAKE = 64
_PAGE = 1_000
"""Pending tasks that one script returns at the most, so that it does not hold up others."""
_ARRIVALS_CAPACITY = 1_000
_REMEMBERED_QUEUES = 50_000
"""A take that was cut off returns again what was given long ago from a queue that is not remembered."""
_TRANSFERRED = ("RETRYCOUNT", 2, "JUSTID")
"""A delivery count over 1 marks a task as transferred; see `_recover`."""


class RedisTaskQueue:
    """A `TaskQueue`.

    A take that was cut off (cancelled, timed out, connection lost) may have
    taken tasks that nobody saw. The next take of the gateway returns these
    first: what is pending under it after the last task that it was given.
    """

    def __init__(self, client: RedisClient, telemetry: Telemetry) -> None:
        self._client = client
        self._telemetry = telemetry
        self._parking = Parking(client, telemetry)
        self._given: dict[tuple[str, QueueName], str] = {}
        self._cut_off: dict[str, dict[QueueName, None]] = {}

    async def take(self, gateway_id: str, queues: Sequence[QueueName], limit: int) -> Sequence[TakenTask]:
        """Take tasks; one script for each namespace, nearly always one."""
        if limit < 1:
            return []  # to Redis, 0 means no limit
        taken = await self._recover(gateway_id, limit)
        for _, group in groupby(queues[:QUEUES_PER_TAKE], key=lambda each: each.namespace):
            if len(taken) == limit:
                break
            wanted = list(group)
            try:
                taken += await self._take(gateway_id, wanted, limit - len(taken))
            except BaseException:
                self._cut_off.setdefault(gateway_id, {}).update(dict.fromkeys([*_queues_of(taken), *wanted]))
                raise
        self._note_given(gateway_id, taken)
        return taken

    @asynccontextmanager
    async def arrivals(self, namespaces: Collection[str]) -> AsyncIterator[AsyncIterator[QueueName]]:
        """Open a stream of names of queues that got tasks."""
        channels = [keys.arrivals(namespace) for namespace in namespaces]
        async with self._client.subscriptions.listen(channels, _ARRIVALS_CAPACITY) as feed:
            yield Listener(feed, _decode_arrivals, self._telemetry)

    async def queue_names(self, namespace: str) -> Sequence[QueueName]:
        """Return every queue of a namespace that may hold tasks, by name."""
        handlers = await self._client.call("SMEMBERS", keys.queues(namespace))
        return [QueueName(namespace, handler) for handler in sorted(each.decode() for each in handlers)]

    async def remove_idle(self, idle: float) -> int:
        """Drop queues that have been empty for a while."""
        removed = 0
        async for chunk in self._all_queues():
            touched = [keys.queues(chunk[0].namespace), *map(_stream, chunk)]
            handlers = [each.handler for each in chunk]
            script = scripts.REMOVE_IDLE.command(touched, round(idle * 1000), *handlers)
            removed += await self._client.call(*script)
        return removed

    async def transfer(self, entries: Collection[QueueEntry], gateway_id: str) -> None:
        """Put pending entries under another gateway's name."""
        streams: dict[str, list[str]] = defaultdict(list)
        for entry in entries:
            streams[keys.tasks(entry.namespace, entry.handler)].append(entry.entry_id)
        commands: list[Command] = [("SADD", keys.GATEWAYS, gateway_id)]
        for stream, entry_ids in streams.items():
            commands.append(("XCLAIM", stream, keys.TASK_GROUP, gateway_id, 0, *entry_ids, *_TRANSFERRED))
        for reply in await self._client.pipeline(commands):
            if not _is_missing(reply):
                checked(reply)

    async def gateways(self) -> Collection[str]:
        """Return the ids under which tasks are pending or have been."""
        return frozenset(each.decode() for each in await self._client.call("SMEMBERS", keys.GATEWAYS))

    async def abandoned(
        self, gateway_id: str, limit: int, after: QueueEntry | None = None
    ) -> Sequence[TakenTask]:
        """Return tasks that are pending under a gateway."""
        found: list[TakenTask] = []
        async for chunk in self._all_queues():
            starts = _starts(chunk, after)
            while starts and len(found) < limit:
                page = min(_PAGE, limit - len(found))
                rows = await self._pending(gateway_id, starts, page, fresh=False)
                found += await self._decode(list(starts), rows)
                starts = _further(starts, rows) if len(rows) == page else {}
            if len(found) == limit:
                break
        return found

    async def remove(self, entries: Collection[QueueEntry]) -> None:
        """Remove entries for good."""
        for reply in await self._client.pipeline(list(task_removals(entries))):
            checked(reply)

    async def forget_gateway(self, gateway_id: str) -> None:
        """Drop a gateway's name, unless something is still pending under it."""
        left = 0
        async for chunk in self._all_queues():
            left += await self._client.call(
                *scripts.FORGET_GATEWAY.command([*map(_stream, chunk)], keys.TASK_GROUP, gateway_id)
            )
        if not left:
            await self._client.call("SREM", keys.GATEWAYS, gateway_id)

    async def _all_queues(self) -> AsyncIterator[Sequence[QueueName]]:
        for namespace in sorted(await self._client.call("SMEMBERS", keys.NAMESPACES)):
            for chunk in _chunks(await self.queue_names(namespace.decode())):
                yield chunk

    async def _take(self, gateway_id: str, queues: Sequence[QueueName], limit: int) -> list[TakenTask]:
        script = scripts.TAKE.command([*map(_stream, queues)], keys.TASK_GROUP, gateway_id, limit)
        replies = await self._client.pipeline([("SADD", keys.GATEWAYS, gateway_id), script])
        return await self._decode(queues, checked(replies[1]))

    def _note_given(self, gateway_id: str, taken: Sequence[TakenTask]) -> None:
        for each in taken:
            place = gateway_id, QueueName(each.entry.namespace, each.entry.handler)
            self._given.pop(place, None)  # to the end: they lie in the order of their use
            self._given[place] = each.entry.entry_id
        while len(self._given) > _REMEMBERED_QUEUES:
            del self._given[next(iter(self._given))]

    async def _recover(self, gateway_id: str, limit: int) -> list[TakenTask]:
        """Return what a take that was cut off took."""
        found: list[TakenTask] = []
        for chunk in _chunks(list(self._cut_off.get(gateway_id, ()))):
            given = {each: self._given.get((gateway_id, each)) for each in chunk}
            starts = {queue: "-" if last is None else f"({last}" for queue, last in given.items()}
            rows = await self._pending(gateway_id, starts, limit - len(found), fresh=True)
            found += await self._decode(chunk, rows)
            if len(found) == limit:
                return found
        self._cut_off.pop(gateway_id, None)
        return found

    async def _pending(
        self, gateway_id: str, starts: Mapping[QueueName, str], limit: int, *, fresh: bool
    ) -> Sequence[Reply]:
        """Return pending tasks of queues of one namespace, each from where it starts."""
        script = scripts.PENDING.command(
            [*map(_stream, starts)], keys.TASK_GROUP, gateway_id, limit, int(fresh), *starts.values()
        )
        rows: Sequence[Reply] = await self._client.call(*script)
        return rows

    async def _decode(self, queues: Sequence[QueueName], rows: Reply) -> list[TakenTask]:
        decoded: list[TakenTask] = []
        for place, entry_id, body in rows:
            queue = queues[place - 1]
            if entry_id is None:
                self._pass_over(queue, body)
                continue
            try:
                entry = QueueEntry(queue.namespace, queue.handler, entry_id.decode())
                decoded.append(TakenTask(entry, decode_task(body)))
            except Undecodable as error:
                await self._parking.park_task(queue, entry_id, body, error)
        return decoded

    def _pass_over(self, queue: QueueName, error: bytes) -> None:
        """Tell of a queue that cannot be read; it holds up no other."""
        try:
            checked(ReplyError(error.decode()))
        except ReplyError as refusal:
            _log.error("cannot read the queue of %s in %s: %s", queue.handler, queue.namespace, refusal)
            self._telemetry.count("flowmesh.failures.unexpected", attributes={"error.type": "ReplyError"})


def _starts(queues: Sequence[QueueName], after: QueueEntry | None) -> dict[QueueName, str]:
    """Return from where to read each queue to go on after a place."""
    if after is None:
        return dict.fromkeys(queues, "-")
    place = (after.namespace, after.handler)
    beyond = [each for each in queues if (each.namespace, each.handler) >= place]
    starts = dict.fromkeys(beyond, "-")
    if QueueName(*place) in starts:
        starts[QueueName(*place)] = f"({after.entry_id}"
    return starts


def _further(starts: Mapping[QueueName, str], rows: Sequence[Reply]) -> dict[QueueName, str]:
    """Return from where to read on after a full page."""
    place, entry_id, _ = rows[-1]
    queues = list(starts)[place - 1 :]
    return {queue: starts[queue] for queue in queues} | {queues[0]: f"({entry_id.decode()}"}


def _stream(queue: QueueName) -> str:
    return keys.tasks(queue.namespace, queue.handler)


def _queues_of(taken: Sequence[TakenTask]) -> Iterator[QueueName]:
    return (QueueName(each.entry.namespace, each.entry.handler) for each in taken)


def _chunks(queues: Sequence[QueueName]) -> Iterator[Sequence[QueueName]]:
    """Cut queues into what one script may touch: one namespace, and not too many."""
    for _, group in groupby(queues, key=lambda each: each.namespace):
        wanted = list(group)
        for start in range(0, len(wanted), QUEUES_PER_TAKE):
            yield wanted[start : start + QUEUES_PER_TAKE]


def _is_missing(reply: Reply) -> bool:
    return isinstance(reply, ReplyError) and str(reply).startswith("NOGROUP")


def _decode_arrivals(body: bytes | None) -> list[QueueName]:
    if body is None:
        return []
    namespace, *handlers = decode_names(body)
    return [QueueName(namespace, handler) for handler in handlers]
