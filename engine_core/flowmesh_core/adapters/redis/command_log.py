"""The command log on Redis Streams.

Every entry of a log is a command that is not acknowledged: the outbox deletes
what is done. The consumer group is only the reader's place and its right to
read, so it is read with NOACK, which spares Redis a pending entry per command
(and the append-only file a line for it). What was received and is not
acknowledged is what lies before the place.

Who adds commands to a log rings its bell, so that a read names only the logs that
have something: one that waits on 128 streams costs the server 80 µs each time.

A read that was cut off (cancelled, timed out, connection lost) may have moved
the place beyond commands that nobody saw, and a Redis that is connected to again
may be older than it was. Then the next read of a log first opens it again, under
a new group that starts after the last command returned. That also shuts out the
cut-off read, should the server still serve it.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hiredis import ReplyError

from flowmesh_core.adapters.codec import decode_command, encode_command
from flowmesh_core.adapters.redis import keys, scripts
from flowmesh_core.adapters.redis.bells import Bells
from flowmesh_core.adapters.redis.parking import Parking
from flowmesh_core.adapters.redis.wire import checked, pack_part
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.command_log import DeliveredCommand, TransportLost
from flowmesh_core.ports.formats import AgreedFormat
from flowmesh_core.ports.undecodable import Undecodable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from flowmesh_core.adapters.redis.beats import Beats
    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.adapters.redis.wire import Command, Reply
    from flowmesh_core.ports.command_log import CommandEnvelope
    from flowmesh_core.ports.telemetry import Telemetry

_PAGE = 1_000
_NEW_ENTRIES = pack_part((">",))


@dataclass(slots=True)
class _Place:
    """Where a reader is in a log: everything up to `entry_id` was returned, under `group`."""

    stream: bytes
    group: str
    entry_id: str


class RedisCommandLog:
    """A `CommandLog`; make one for each reader, with the beats that the outbox of the process has."""

    def __init__(
        self, client: RedisClient, beats: Beats, telemetry: Telemetry, agreed: AgreedFormat | None = None
    ) -> None:
        self._client = client
        self._agreed = agreed or AgreedFormat()
        self._reader = client.dedicated()
        self._bells = Bells(client.subscriptions)
        self._beats = beats
        self._parking = Parking(client, telemetry)
        self._places: dict[int, _Place] = {}
        self._group = _new_group()
        self._doubtful: set[int] = set()
        self._doubts = 0

    async def send(self, envelopes: Sequence[CommandEnvelope]) -> None:
        """Add commands to the logs of their partitions in one round trip."""
        additions = [_addition(envelope, self._agreed.number) for envelope in envelopes]
        bell = _bell({envelope.partition for envelope in envelopes})
        replies = await self._client.pipeline([*additions, bell])
        for reply in replies[:-1]:  # a bell that cannot be rung is no reason to add the commands again
            checked(reply)

    async def open(self, partitions: Collection[int]) -> None:
        """Take the logs over from whoever read them."""
        await self._connect()
        opened = await self._open(self._group, partitions, [("", "") for _ in partitions])
        for partition, reply in zip(partitions, opened, strict=True):
            self._beats.start(partition, int(reply[1]))
        self._bells.watch(partitions)
        await self._client.pipeline([_bell(partitions)])

    def close(self, partitions: Collection[int]) -> None:
        """Leave logs to others."""
        self._bells.forget(partitions)
        for partition in partitions:
            self._places.pop(partition, None)

    def interrupt(self) -> None:
        """Let reads that wait return."""
        self._bells.interrupt()

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
        if wait <= 0:
            return await self._receive(partitions, limit)
        deadline = asyncio.get_running_loop().time() + wait
        interrupts = self._bells.interrupts
        received: Sequence[DeliveredCommand] = ()
        while not received and (rung := await self._bells.rung(partitions, deadline, interrupts)):
            received = await self._receive(rung, limit)
        return received

    async def depth(self, partitions: Collection[int]) -> int:
        """Return the length of the longest log."""
        lengths = await self._client.pipeline([("XLEN", keys.commands(each)) for each in partitions])
        return max((int(checked(length)) for length in lengths), default=0)

    async def _receive(self, partitions: Sequence[int], limit: int) -> Sequence[DeliveredCommand]:
        await self._connect()
        group = await self._group_of(partitions)
        if not self._reader.is_connected:
            raise StoreUnavailable("the connection to Redis is gone")
        self._bells.take(partitions)
        try:
            reply = await self._read(group, partitions, limit)
            if isinstance(reply, ReplyError) and str(reply).startswith(("NOGROUP", "WRONGTYPE")):
                return await self._investigate(group, partitions)
            return await self._returned(checked(reply) or (), limit)
        except StoreUnavailable:
            self._doubt(list(self._places))
            raise
        except BaseException:
            self._doubt(partitions)
            raise

    async def _connect(self) -> None:
        """Be connected, and trust no log across two connections."""
        if not self._reader.is_connected:
            self._doubt(list(self._places))
            await self._reader.call("PING")

    def _place(self, partition: int) -> _Place:
        place = self._places.get(partition)
        if place is None:
            raise TransportLost("the log is not open", [partition])
        return place

    def _doubt(self, partitions: Sequence[int]) -> None:
        """Note that Redis may be further than what was returned, or older."""
        if any(place.group == self._group for place in self._places.values()):
            self._group = _new_group()
        self._doubts += 1
        self._doubtful.update(partitions)
        self._bells.ring(partitions)

    async def _open(
        self, group: str, partitions: Collection[int], formers: Iterable[tuple[str, str]]
    ) -> list[Reply]:
        doubts = self._doubts
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
                stream = pack_part((keys.commands(partition),))
                self._places[partition] = _Place(stream, group, reply[0].decode())
        if doubts == self._doubts:
            self._doubtful.difference_update(partitions)
        return replies

    async def _group_of(self, partitions: Sequence[int]) -> str:
        """Return the group that has these, having opened them again unless one has them all."""
        groups = {self._place(each).group for each in partitions}
        if len(groups) > 1 or not self._doubtful.isdisjoint(partitions):
            return await self._open_again(partitions)
        return groups.pop()

    async def _open_again(self, partitions: Sequence[int]) -> str:
        """Let this reader go on after the last command returned; return the group to read under."""
        group = self._group
        beats = {each: self._beats.seen(each) for each in partitions}
        formers = [(self._place(each).group, self._place(each).entry_id) for each in partitions]
        opened = dict(zip(partitions, await self._open(group, partitions, formers), strict=True))
        lost = [each for each, reply in opened.items() if reply is None or int(reply[1]) < beats[each]]
        if lost:
            raise TransportLost("commands may have been lost with the connection", lost)
        return group

    async def _read(self, group: str, partitions: Sequence[int], limit: int) -> Reply:
        head = ("XREADGROUP", "GROUP", group, "owner", "COUNT", limit, "NOACK", "STREAMS")
        streams = b"".join([self._places[each].stream for each in partitions])
        count = len(partitions)
        command = b"*%d\r\n%b%b%b" % (len(head) + 2 * count, pack_part(head), streams, _NEW_ENTRIES * count)
        return (await self._reader.send(command, 1))[0]

    async def _returned(self, reply: Reply, limit: int) -> Sequence[DeliveredCommand]:
        found = [(keys.partition_of_commands(stream), entries) for stream, entries in reply]
        delivered: list[DeliveredCommand] = []
        for partition, entries in found:
            delivered += await self._decode(partition, entries)
        for partition, entries in found:
            self._places[partition].entry_id = entries[-1][0].decode()
        self._bells.found([partition for partition, _ in found])
        self._bells.ring([partition for partition, entries in found if len(entries) >= limit])
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


def _bell(partitions: Collection[int]) -> Command:
    return ("PUBLISH", keys.BELLS, " ".join(map(str, partitions)))


def _addition(envelope: CommandEnvelope, version: int) -> Command:
    stream = keys.commands(envelope.partition)
    return ("XADD", stream, "*", keys.BODY_FIELD, encode_command(envelope, version))
