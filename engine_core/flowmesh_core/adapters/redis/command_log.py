"""The command log on Redis Streams.

Every entry of a log is a command that is not acknowledged: the outbox deletes
what is done. The consumer group is only the reader's place and its right to
read, so it is read with NOACK, which spares Redis a pending entry per command
(and the append-only file a line for it). What was received and is not
acknowledged is what lies before the place.

One XREADGROUP waits on all partitions of an owner. Measured with 256 streams
it costs the server 60 µs, and nothing at all while it waits.

A read that was cut off (cancelled, timed out, connection lost) may have moved
the place beyond commands that nobody saw. Then the next read first opens the
logs again, under a new group that starts after the last command returned. That
also shuts out the cut-off read, should the server still serve it.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hiredis import ReplyError

from flowmesh_core.adapters.codec import decode_command, encode_command
from flowmesh_core.adapters.redis import keys, scripts
from flowmesh_core.adapters.redis.parking import Parking
from flowmesh_core.adapters.redis.wire import checked, pack_part
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.command_log import DeliveredCommand, TransportLost
from flowmesh_core.ports.formats import AgreedFormat
from flowmesh_core.ports.undecodable import Undecodable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from flowmesh_core.adapters.redis.beats import Beats
    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.adapters.redis.wire import Command, Reply
    from flowmesh_core.ports.command_log import CommandEnvelope
    from flowmesh_core.ports.telemetry import Telemetry

_PAGE = 1_000
_REMEMBERED_READS = 64


@dataclass(slots=True)
class _Place:
    """Where a reader is in a log: everything up to `entry_id` was returned, under `group`."""

    group: str
    entry_id: str


class _Read(NamedTuple):
    """What stays the same from one read of the same partitions to the next."""

    group: str
    streams: bytes


class RedisCommandLog:
    """A `CommandLog`; make one for each reader, with the beats that the outbox of the process has.

    Reads of different partitions may run at once, each on a connection of its own.
    """

    def __init__(
        self, client: RedisClient, beats: Beats, telemetry: Telemetry, agreed: AgreedFormat | None = None
    ) -> None:
        self._client = client
        self._agreed = agreed or AgreedFormat()
        self._idle_readers: list[RedisClient] = []
        self._beats = beats
        self._parking = Parking(client, telemetry)
        self._places: dict[int, _Place] = {}
        self._group = _new_group()
        self._doubtful: set[int] = set()
        self._settled: dict[tuple[int, ...], _Read] = {}

    async def send(self, envelopes: Sequence[CommandEnvelope]) -> None:
        """Add commands to the logs of their partitions in one round trip."""
        replies = await self._client.pipeline(
            [_addition(envelope, self._agreed.number) for envelope in envelopes]
        )
        for reply in replies:
            checked(reply)

    async def open(self, partitions: Collection[int]) -> None:
        """Take the logs over from whoever read them."""
        opened = await self._open(self._group, partitions, [("", "") for _ in partitions])
        for partition, reply in zip(partitions, opened, strict=True):
            self._beats.start(partition, int(reply[1]))

    async def claim(self, partition: int) -> Sequence[DeliveredCommand]:
        """Return every command up to the place of the reader."""
        place = self._place(partition)
        claimed: list[DeliveredCommand] = []
        start = "-"
        while True:
            page = await self._client.call(
                *("XRANGE", keys.commands(partition), start, place.entry_id, "COUNT", _PAGE)
            )
            claimed += await self._decode(partition, page)
            if len(page) < _PAGE:
                return claimed
            start = f"({page[-1][0].decode()}"

    async def receive(
        self, partitions: Sequence[int], *, limit: int, wait: float
    ) -> Sequence[DeliveredCommand]:
        """Return new commands, waiting for the first.

        Raises:
            TransportLost: A log was deleted, taken over, or is older than it was.
        """
        if not partitions:
            raise ValueError("there is nothing to receive from")
        read = await self._settle(tuple(partitions))
        try:
            reply = await self._read(read, len(partitions), limit, wait)
            if isinstance(reply, ReplyError) and str(reply).startswith(("NOGROUP", "UNBLOCKED")):
                return await self._investigate(read.group, partitions)
            return await self._returned(checked(reply) or ())
        except (asyncio.CancelledError, StoreUnavailable):
            self._doubt(partitions)
            raise

    async def depth(self, partitions: Collection[int]) -> int:
        """Return the length of the longest log."""
        lengths = await self._client.pipeline([("XLEN", keys.commands(each)) for each in partitions])
        return max((int(checked(length)) for length in lengths), default=0)

    def _place(self, partition: int) -> _Place:
        place = self._places.get(partition)
        if place is None:
            raise TransportLost("the log is not open", [partition])
        return place

    def _doubt(self, partitions: Sequence[int]) -> None:
        """After a read that was cut off: Redis may be further than what was returned."""
        self._group = _new_group()
        self._doubtful.update(partitions)
        self._settled.clear()

    async def _open(
        self, group: str, partitions: Collection[int], formers: Iterable[tuple[str, str]]
    ) -> list[Reply]:
        replies = await self._client.pipeline(
            [
                scripts.OPEN_LOG.command([keys.commands(each), keys.dispatched(each)], group, *former)
                for each, former in zip(partitions, formers, strict=True)
            ]
        )
        for partition, reply in zip(partitions, replies, strict=True):
            if checked(reply) is None:
                self._places.pop(partition, None)
            else:
                self._places[partition] = _Place(group, reply[0].decode())
        self._doubtful.difference_update(partitions)
        self._settled.clear()
        return replies

    async def _settle(self, partitions: tuple[int, ...]) -> _Read:
        """Return how to read these, having opened them again unless one group has them all."""
        if (settled := self._settled.get(partitions)) is not None:
            return settled
        groups = {self._place(each).group for each in partitions}
        if len(groups) > 1 or not self._doubtful.isdisjoint(partitions):
            groups = {await self._open_again(partitions)}
        if len(self._settled) == _REMEMBERED_READS:
            self._settled.clear()
        names = (*(keys.commands(each) for each in partitions), *(">" for _ in partitions))
        self._settled[partitions] = read = _Read(groups.pop(), pack_part(names))
        return read

    async def _open_again(self, partitions: tuple[int, ...]) -> str:
        """Let this reader go on after the last command returned; return the group to read under."""
        group = self._group
        beats = {each: self._beats.seen(each) for each in partitions}
        formers = [(self._place(each).group, self._place(each).entry_id) for each in partitions]
        opened = dict(zip(partitions, await self._open(group, partitions, formers), strict=True))
        lost = [each for each, reply in opened.items() if reply is None or int(reply[1]) < beats[each]]
        if lost:
            raise TransportLost("commands may have been lost with the connection", lost)
        return group

    async def _read(self, read: _Read, streams: int, limit: int, wait: float) -> Reply:
        block: Command = ("BLOCK", max(1, round(wait * 1000))) if wait > 0 else ()
        head = ("XREADGROUP", "GROUP", read.group, "owner", "COUNT", limit, *block, "NOACK", "STREAMS")
        command = b"*%d\r\n%b%b" % (len(head) + 2 * streams, pack_part(head), read.streams)
        with self._reader() as reader:
            return (await reader.send(command, 1, block=wait))[0]

    @contextmanager
    def _reader(self) -> Iterator[RedisClient]:
        """Lend a connection that nobody reads on; one that was cut off is in an unknown state."""
        reader = self._idle_readers.pop() if self._idle_readers else self._client.dedicated()
        try:
            yield reader
        except (asyncio.CancelledError, StoreUnavailable):
            reader.drop()
            raise
        finally:
            self._idle_readers.append(reader)

    async def _returned(self, reply: Reply) -> Sequence[DeliveredCommand]:
        delivered: list[DeliveredCommand] = []
        for stream, entries in reply:
            delivered += await self._decode(keys.partition_of_commands(stream), entries)
        for stream, entries in reply:
            self._places[keys.partition_of_commands(stream)].entry_id = entries[-1][0].decode()
        return delivered

    async def _decode(self, partition: int, entries: Reply) -> list[DeliveredCommand]:
        decoded: list[DeliveredCommand] = []
        for entry_id, fields in entries:
            try:
                decoded.append(DeliveredCommand(entry_id.decode(), decode_command(fields[1])))
            except Undecodable as error:
                await self._parking.park_command(partition, entry_id, fields[1], error)
        return decoded

    async def _investigate(self, group: str, partitions: Sequence[int]) -> Sequence[DeliveredCommand]:
        """Raise for the partitions whose log this reader cannot read any more."""
        replies = await self._client.pipeline(
            [("XINFO", "GROUPS", keys.commands(partition)) for partition in partitions]
        )
        name = group.encode()
        lost = [
            partition
            for partition, reply in zip(partitions, replies, strict=True)
            if isinstance(reply, ReplyError) or not any(name in row for row in reply)
        ]
        if lost:
            raise TransportLost("the log was deleted or taken over", lost)
        return ()


def _new_group() -> str:
    return f"owner-{secrets.token_hex(8)}"


def _addition(envelope: CommandEnvelope, version: int) -> Command:
    stream = keys.commands(envelope.partition)
    return ("XADD", stream, "*", keys.BODY_FIELD, encode_command(envelope, version))
