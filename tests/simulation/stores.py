"""Twins behind lines, where a port allows more faults than calls that fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from flowmesh_core.adapters.memory.command_log import MemoryCommandLog
from flowmesh_core.adapters.memory.history_store import MemoryHistoryStore
from flowmesh_core.adapters.memory.mailbox import MemoryMailbox
from flowmesh_core.adapters.memory.outbox import MemoryOutbox
from flowmesh_core.adapters.memory.task_queue import MemoryTaskQueue
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.application.partition_owner.lane import Lane
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.command_log import CommandEnvelope, DeliveredCommand, QueueEntry
from flowmesh_core.ports.history_store import AppendOutcomeUnknown, HistoryBatch
from flowmesh_core.ports.mailbox import MailboxMessage
from flowmesh_core.ports.membership import PartitionLease
from flowmesh_core.ports.outbox import Outgoing
from flowmesh_core.ports.task_queue import QueueName, TakenTask
from tests.simulation.faults import Fault
from tests.simulation.judge import Judge
from tests.simulation.line import Line
from tests.simulation.loop import WORLD, Process, SimulatedLoop

_LATE = 3.0
"""The longest that a message is held up, in seconds."""


class SimulatedHistory:
    """A `HistoryStore` whose commits may stay unknown; the judge sees every one."""

    def __init__(
        self, line: Line, twin: MemoryHistoryStore, judge: Judge, lose_redis: Callable[[Process], None]
    ) -> None:
        self._line = line
        self._twin = twin
        self._judge = judge
        self._lose_redis = lose_redis

    async def append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        if self._line.dice.strikes(Fault.UNKNOWN_COMMIT):
            await self._line.travel()
            if self._line.dice.rng.random() < 0.5:
                await self._append(member_id, leases, batches)
            raise AppendOutcomeUnknown
        act = partial(self._append, member_id, leases, batches)
        await self._line.call(_shown(batches), act, lost=AppendOutcomeUnknown)

    async def _append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        await self._twin.append(member_id, leases, batches)
        self._judge.appended(member_id, leases, batches)
        if self._line.dice.strikes(Fault.REDIS_EMPTY_AT_COMMIT):
            self._lose_redis(self._line.process)

    async def read(self, key: ExecutionKey, *, after: int, limit: int) -> Sequence[Event]:
        return await self._line.call("read", partial(self._twin.read, key, after=after, limit=limit))

    async def newest(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, int]:
        return await self._line.call("newest", partial(self._twin.newest, keys))

    async def read_many(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, Sequence[Event]]:
        return await self._line.call("read_many", partial(self._twin.read_many, keys))

    async def read_new(
        self, positions: Mapping[ExecutionKey, int], *, limit: int
    ) -> Mapping[ExecutionKey, Sequence[Event]]:
        return await self._line.call("read_new", partial(self._twin.read_new, positions, limit=limit))


class SimulatedOutbox:
    """An `Outbox`; the judge sees what goes out before it does, and what its owner has in memory then.

    Attributes:
        lanes: Tells the lanes of the owner.
    """

    def __init__(self, line: Line, twin: MemoryOutbox, judge: Judge) -> None:
        self._line = line
        self._twin = twin
        self._judge = judge
        self.lanes: Callable[[], Sequence[Lane]] = list

    async def flush(self, outgoing: Outgoing) -> Sequence[QueueEntry]:
        return await self._line.call(_sent(outgoing), partial(self._flush, outgoing))

    async def dispatched(self, partition: int) -> Mapping[ExecutionKey, int]:
        return await self._line.call("dispatched", partial(self._twin.dispatched, partition))

    async def newest(self, queues: Sequence[tuple[str, str]]) -> Sequence[str]:
        return await self._line.call("newest", partial(self._twin.newest, queues))

    async def hold_up_to(self, entries: Sequence[QueueEntry]) -> Sequence[bool]:
        return await self._line.call("hold up to", partial(self._twin.hold_up_to, entries))

    async def _flush(self, outgoing: Outgoing) -> Sequence[QueueEntry]:
        self._judge.sending(outgoing)
        self._judge.compare(self.lanes(), [key for keys in outgoing.changed.values() for key in keys])
        return await self._twin.flush(outgoing)


class SimulatedLog:
    """A `CommandLog` that loses, repeats and holds up what is sent.

    A reader whose answer was lost goes on after the last command that it got, as
    the real one does.
    """

    def __init__(
        self, line: Line, twin: MemoryCommandLog, transport: MemoryTransport, loop: SimulatedLoop
    ) -> None:
        self._line = line
        self._twin = twin
        self._transport = transport
        self._loop = loop

    async def send(self, envelopes: Sequence[CommandEnvelope]) -> None:
        what = ", ".join(type(each.command).__name__ for each in envelopes)
        await self._line.call(f"send {what}", partial(self._send, envelopes))

    async def open(self, partitions: Collection[int]) -> None:
        await self._line.call("open", partial(self._twin.open, partitions))

    def close(self, partitions: Collection[int]) -> None:
        self._twin.close(partitions)

    def interrupt(self) -> None:
        self._twin.interrupt()

    async def claim(self, partition: int) -> Sequence[DeliveredCommand]:
        return await self._line.call("claim", partial(self._twin.claim, partition))

    async def receive(
        self, partitions: Sequence[int], *, limit: int, wait: float
    ) -> Sequence[DeliveredCommand]:
        places = {each: self._transport.logs[each].place for each in partitions}
        act = partial(self._twin.receive, partitions, limit=limit, wait=wait)
        try:
            return await self._line.call("receive", act)
        except (StoreUnavailable, asyncio.CancelledError):
            self._go_back(places)
            raise

    async def depth(self, partitions: Collection[int]) -> int:
        return await self._line.call("depth", partial(self._twin.depth, partitions))

    def _go_back(self, places: Mapping[int, int]) -> None:
        for partition, place in places.items():
            log = self._transport.logs[partition]
            if log.reader is self._twin:
                log.place = min(log.place, place)

    async def _send(self, envelopes: Sequence[CommandEnvelope]) -> None:
        dice, now = self._line.dice, []
        for envelope in envelopes:
            if dice.strikes(Fault.COMMAND_LOST):
                continue
            if dice.strikes(Fault.COMMAND_TWICE):
                self._later(envelope)
            if dice.strikes(Fault.COMMAND_LATE):
                self._later(envelope)
            else:
                now.append(envelope)
        await self._twin.send(now)

    def _later(self, envelope: CommandEnvelope) -> None:
        """Deliver in a while, whatever becomes of the sender."""

        async def deliver() -> None:
            await asyncio.sleep(self._line.dice.rng.random() * _LATE)
            await self._twin.send([envelope])

        self._loop.spawn(WORLD, deliver())


class SimulatedMailbox:
    """A `Mailbox` that loses and holds up what is posted."""

    def __init__(self, line: Line, twin: MemoryMailbox, loop: SimulatedLoop) -> None:
        self._line = line
        self._twin = twin
        self._loop = loop

    @asynccontextmanager
    async def open(self, member_id: str) -> AsyncIterator[AsyncIterator[Sequence[MailboxMessage]]]:
        await self._line.call("open mailbox", _nothing)
        async with self._twin.open(member_id) as batches:
            yield self._arriving(batches)

    async def post(self, member_id: str, messages: Sequence[MailboxMessage]) -> None:
        await self._line.call("post", partial(self._twin.post, member_id, messages))

    async def _arriving(
        self, batches: AsyncIterator[Sequence[MailboxMessage]]
    ) -> AsyncIterator[Sequence[MailboxMessage]]:
        late: list[Sequence[MailboxMessage]] = []
        async for batch in batches:
            if self._line.dice.strikes(Fault.MAIL_LOST):
                continue
            if self._line.dice.strikes(Fault.MAIL_LATE):
                late.append(batch)
                continue
            yield batch
            while late:
                yield late.pop()


class SimulatedQueue:
    """A `TaskQueue`. What a take took whose answer was lost comes with the next one, as from the real one."""

    def __init__(self, line: Line, twin: MemoryTaskQueue, transport: MemoryTransport) -> None:
        self._line = line
        self._twin = twin
        self._transport = transport
        self._unseen: list[TakenTask] = []

    async def take(self, gateway_id: str, queues: Sequence[QueueName], limit: int) -> Sequence[TakenTask]:
        act = partial(self._take, gateway_id, queues, limit)
        taken = await self._line.call("take", act)
        self._unseen = self._unseen[len(taken) :]
        return taken

    @asynccontextmanager
    async def arrivals(self, namespaces: Collection[str]) -> AsyncIterator[AsyncIterator[QueueName]]:
        await self._line.call("arrivals", _nothing)
        async with self._twin.arrivals(namespaces) as names:
            yield self._heard(names)

    async def queue_names(self, namespace: str) -> Sequence[QueueName]:
        return await self._line.call("queue_names", partial(self._twin.queue_names, namespace))

    async def remove_idle(self, idle: float) -> int:
        return await self._line.call("remove_idle", partial(self._twin.remove_idle, idle))

    async def transfer(self, entries: Collection[QueueEntry], gateway_id: str) -> None:
        await self._line.call("transfer", partial(self._twin.transfer, entries, gateway_id))

    async def gateways(self) -> Collection[str]:
        return await self._line.call("gateways", self._twin.gateways)

    async def abandoned(
        self, gateway_id: str, limit: int, after: QueueEntry | None = None
    ) -> Sequence[TakenTask]:
        return await self._line.call("abandoned", partial(self._twin.abandoned, gateway_id, limit, after))

    async def remove(self, entries: Collection[QueueEntry]) -> None:
        await self._line.call("remove", partial(self._twin.remove, entries))

    async def forget_gateway(self, gateway_id: str) -> None:
        await self._line.call("forget_gateway", partial(self._twin.forget_gateway, gateway_id))

    async def _take(self, gateway_id: str, queues: Sequence[QueueName], limit: int) -> Sequence[TakenTask]:
        self._unseen = [each for each in self._unseen if self._is_pending(each, gateway_id)]
        left = limit - len(self._unseen)
        if left > 0:
            self._unseen += await self._twin.take(gateway_id, queues, left)
        return self._unseen[:limit]

    def _is_pending(self, taken: TakenTask, gateway_id: str) -> bool:
        name = QueueName(taken.entry.namespace, taken.entry.handler)
        queue = self._transport.queues.get(name)
        holder = None if queue is None else queue.pending.get(taken.entry.entry_id)
        return holder is not None and holder[0] == gateway_id

    async def _heard(self, names: AsyncIterator[QueueName]) -> AsyncIterator[QueueName]:
        async for name in names:
            if not self._line.dice.strikes(Fault.HINT_LOST):
                yield name


async def _nothing() -> None:
    """Stand for a call whose only effect is that there was one."""


def _shown(batches: Sequence[HistoryBatch]) -> str:
    rows = [
        f"{each.key.execution_id}#{each.events[0].sequence}:"
        + "+".join(_event(event) for event in each.events)
        for each in batches
    ]
    return "append " + " ".join(rows)


def _sent(outgoing: Outgoing) -> str:
    tasks = " ".join(f"{task.key.execution_id}.{task.node_id}.{task.attempt}" for task in outgoing.tasks)
    return f"flush tasks [{tasks}] acknowledged {dict(outgoing.acknowledged)}"


def _event(event: Event) -> str:
    node, attempt = getattr(event, "node", ""), getattr(event, "attempt", "")
    return f"{type(event).__name__}({node},{attempt})" if node != "" else type(event).__name__
