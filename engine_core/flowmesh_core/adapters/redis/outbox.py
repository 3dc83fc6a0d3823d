"""The outbox on Redis.

A flush is a plain pipeline, not a transaction. A pipeline that is cut leaves
a prefix of its commands, and their order makes every prefix safe: tasks before
the mark that they were dispatched, everything before the deletion of the
commands. MULTI would add nothing to that, but would hold up all other clients
for the whole batch and be refused across slots of a cluster. The mark is a
script: after a loss of data it must not be set, not even by who learns of the
loss from it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hiredis import ReplyError

from flowmesh_core.adapters.codec import encode_task
from flowmesh_core.adapters.redis import keys, scripts
from flowmesh_core.adapters.redis.messages import encode_hints, encode_keys, encode_messages, encode_names
from flowmesh_core.adapters.redis.wire import checked, pack
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.formats import AgreedFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flowmesh_core.adapters.redis.beats import Beats
    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.adapters.redis.wire import Command, Reply
    from flowmesh_core.ports.mailbox import MailboxMessage
    from flowmesh_core.ports.outbox import Outgoing, QueuedTask

_CHUNK_COMMANDS = 2_000
_CHUNK_BYTES = 1 << 20
"""A larger flush goes out in pieces, so that buffers stay bounded on both sides."""


class RedisOutbox:
    """An `Outbox`; `beats` is that of the process's command log."""

    def __init__(self, client: RedisClient, beats: Beats, agreed: AgreedFormat | None = None) -> None:
        self._client = client
        self._agreed = agreed or AgreedFormat()
        self._beats = beats

    async def flush(self, outgoing: Outgoing) -> Sequence[QueueEntry]:
        """Send everything; see the port.

        Raises:
            StoreUnavailable: Part of it may have been sent.
            TransportLost: It was sent, but a beat went backwards.
        """
        seen = {partition: self._beats.seen(partition) for partition in outgoing.dispatched}
        before = [*_tasks(outgoing.tasks, self._agreed.number), *_closed(outgoing), *_messages(outgoing)]
        commands = [*before, *_marks(outgoing, seen), *_removals(outgoing)]
        replies = await self._send(commands)
        beats = replies[len(before) : len(before) + len(seen)]
        self._beats.advance({each: (seen[each], beat or 0) for each, beat in zip(seen, beats, strict=True)})
        return [
            QueueEntry(task.key.namespace, task.handler, entry_id.decode())
            for task, entry_id in zip(outgoing.tasks, replies, strict=False)
        ]

    async def dispatched(self, partition: int) -> Mapping[ExecutionKey, int]:
        """Return the dispatched sequences of a partition."""
        reply = await self._client.call("HGETALL", keys.dispatched(partition))
        found = dict(zip(reply[::2], reply[1::2], strict=True))
        found.pop(keys.BEAT_FIELD.encode(), None)
        return {ExecutionKey(*key.decode().split("/")): int(sequence) for key, sequence in found.items()}

    async def newest(self, queues: Sequence[tuple[str, str]]) -> Sequence[str]:
        """Return the newest entry that each queue ever got."""
        replies = await self._client.pipeline(
            [("XINFO", "STREAM", keys.tasks(namespace, handler)) for namespace, handler in queues]
        )
        return ["" if _is_absent(reply) else _last_entry(checked(reply)) for reply in replies]

    async def hold_up_to(self, entries: Sequence[QueueEntry]) -> Sequence[bool]:
        """Say whether the queues hold these entries or older ones."""
        replies = await self._client.pipeline(
            [
                ("XRANGE", keys.tasks(each.namespace, each.handler), "-", each.entry_id or "0", "COUNT", 1)
                for each in entries
            ]
        )
        return [bool(checked(reply)) for reply in replies]

    async def _send(self, commands: list[Command]) -> list[Reply]:
        replies: list[Reply] = []
        for packed, count in _chunks(commands):
            replies += await self._client.send(packed, count)
        for reply in replies:
            checked(reply)
        return replies


def _chunks(commands: list[Command]) -> Iterator[tuple[bytes, int]]:
    chunk, size = list[bytes](), 0
    for command in commands:
        packed = pack([command])
        chunk.append(packed)
        size += len(packed)
        if len(chunk) == _CHUNK_COMMANDS or size >= _CHUNK_BYTES:
            yield b"".join(chunk), len(chunk)
            chunk, size = [], 0
    if chunk:
        yield b"".join(chunk), len(chunk)


def _tasks(tasks: Sequence[QueuedTask], version: int) -> Iterator[Command]:
    """Queue tasks, then say which queues exist: a queue that is not empty is never removed."""
    handlers: dict[str, dict[str, None]] = defaultdict(dict)
    for task in tasks:
        namespace = task.key.namespace
        handlers[namespace][task.handler] = None
        yield ("XADD", keys.tasks(namespace, task.handler), "*", keys.BODY_FIELD, encode_task(task, version))
    for namespace, names in handlers.items():
        yield ("SADD", keys.queues(namespace), *names)
        yield ("SADD", keys.NAMESPACES, namespace)
        yield ("PUBLISH", keys.arrivals(namespace), encode_names([namespace, *names]))


def _marks(outgoing: Outgoing, seen: Mapping[int, int]) -> Iterator[Command]:
    for partition, sequences in outgoing.dispatched.items():
        pairs = (word for key, sequence in sequences.items() for word in (str(key), sequence))
        yield scripts.MARK_DISPATCHED.command([keys.dispatched(partition)], seen[partition], *pairs)


def _closed(outgoing: Outgoing) -> Iterator[Command]:
    for partition, closed in outgoing.closed.items():
        if closed:
            yield ("HDEL", keys.dispatched(partition), *map(str, closed))


def _messages(outgoing: Outgoing) -> Iterator[Command]:
    for partition, changed in outgoing.changed.items():
        if changed:
            yield ("PUBLISH", keys.watch(partition), encode_hints(changed))
    closed = [key for found in outgoing.closed.values() for key in found]
    if closed:
        yield ("PUBLISH", keys.CLOSED, encode_keys(closed))
    mailboxes = dict.fromkeys((*outgoing.replies, *outgoing.cancels))
    for member_id in mailboxes:
        messages: list[MailboxMessage] = [
            *outgoing.replies.get(member_id, ()),
            *outgoing.cancels.get(member_id, ()),
        ]
        yield ("PUBLISH", keys.mailbox(member_id), encode_messages(messages))


def _removals(outgoing: Outgoing) -> Iterator[Command]:
    yield from task_removals(outgoing.withdrawn)
    for partition, entry_ids in outgoing.acknowledged.items():
        if entry_ids:
            yield ("XDEL", keys.commands(partition), *entry_ids)


def _is_absent(reply: Reply) -> bool:
    return isinstance(reply, ReplyError) and "no such key" in str(reply)


def _last_entry(facts: Sequence[Reply]) -> str:
    return str(dict(zip(facts[::2], facts[1::2], strict=True))[b"last-generated-id"].decode())


def task_removals(entries: Iterable[QueueEntry]) -> Iterator[Command]:
    """Return the commands that remove tasks from their queues for good."""
    streams: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        streams[keys.tasks(entry.namespace, entry.handler)].append(entry.entry_id)
    for stream, entry_ids in streams.items():
        yield ("XACK", stream, keys.TASK_GROUP, *entry_ids)
        yield ("XDEL", stream, *entry_ids)
