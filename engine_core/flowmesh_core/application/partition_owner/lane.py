"""One of the loops that advance executions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import NamedTuple

from flowmesh_core.application.backoff import Backoff
from flowmesh_core.application.member_session import MemberLease
from flowmesh_core.application.outlived import outlived
from flowmesh_core.application.pace import rest_after
from flowmesh_core.application.partition_owner.advance_executions import (
    AdvanceExecutions,
    AdvancePorts,
    LeaseUnsafe,
)
from flowmesh_core.application.partition_owner.batches import batches_of
from flowmesh_core.application.partition_owner.owned_partition import OwnedPartition
from flowmesh_core.application.partition_owner.settings import OwnerSettings
from flowmesh_core.application.partition_owner.take_over import TakeOver
from flowmesh_core.application.partition_owner.timers import TimerHeap
from flowmesh_core.application.waiting import wait_for
from flowmesh_core.domain.commands import LoseTask
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import LostCause, NodeStatus
from flowmesh_core.domain.time import SECOND
from flowmesh_core.ports.command_log import CommandEnvelope, CommandLog, DeliveredCommand, TransportLost
from flowmesh_core.ports.history_store import AppendOutcomeUnknown, HistoryConflict, OwnershipLost
from flowmesh_core.ports.membership import PartitionLease

_logger = logging.getLogger(__name__)

_LEASE_LOOK = 0.25
"""Seconds between looks whether a lease is safe again."""


class DropReason(Enum):
    """Why a partition went out of memory."""

    LOST = "lost"
    """Another member owns it."""
    DOUBT = "doubt"
    """Memory and history may differ."""
    TRANSPORT_LOST = "transport_lost"
    """What was dispatched may be gone."""


class WaitingTask(NamedTuple):
    """An attempt that waits for a worker."""

    partition: int
    key: ExecutionKey
    node_id: str
    handler: str
    attempt: int


OnDrop = Callable[[Collection[PartitionLease], DropReason], None]


class Lane:
    """Receives and decides the commands of its partitions, one batch after another.

    Only the lane touches the memory of its partitions. Lanes share nothing, so
    one decides while another waits for the store.
    """

    def __init__(
        self,
        lease: MemberLease,
        log: CommandLog,
        take_over: TakeOver,
        ports: AdvancePorts,
        settings: OwnerSettings,
        on_drop: OnDrop,
    ) -> None:
        """Start without partitions; `on_drop` hears of those that went out of memory."""
        self._lease = lease
        self._log = log
        self._take_over = take_over
        self._clock = ports.clock
        self._telemetry = ports.telemetry
        self._settings = settings
        self._on_drop = on_drop
        self._timers = TimerHeap()
        self._advance = AdvanceExecutions(ports, lease, self._timers, settings)
        self._partitions: dict[int, OwnedPartition] = {}
        # Both spare each turn a walk over all partitions.
        self._numbers: tuple[int, ...] = ()
        self._behind: set[int] = set()
        self._late: list[DeliveredCommand] = []
        self._look_at = 0.0
        self._backoff = Backoff(ports.clock)
        self._limit = settings.batch
        self._cap = settings.turn
        self._turn = asyncio.Lock()
        self._woken = asyncio.Event()

    @property
    def open_executions(self) -> int:
        """How many executions are in memory."""
        return sum(len(owned.executions) for owned in self._partitions.values())

    async def run(self, stopping: asyncio.Event) -> None:
        """Take turns until `stopping` is set; the batch under way is finished."""
        while not stopping.is_set():
            if self._partitions and self._lease.is_safe:
                await self.turn()
            else:
                await self._rest()

    def wake(self) -> None:
        """Have the lane look again whether it has something to do."""
        self._woken.set()
        self._log.interrupt()

    async def take(self, leases: Sequence[PartitionLease], *, transport_lost: bool) -> None:
        """Load partitions, beside the batch under way, and begin to advance them.

        Raises:
            StoreUnavailable: A store does not answer; none of them is served.
            TransportLost: The transport lost data meanwhile; none of them is served.
        """
        try:
            taken = await self._take_over.take(leases, transport_lost=transport_lost)
        except BaseException:
            self._log.close([lease.partition for lease in leases])
            raise
        for owned in taken:
            self._partitions[owned.partition] = owned
            self._note_backlog(owned)
            for live in owned.executions.values():
                self._timers.add_all(live)
        self._numbers = tuple(self._partitions)
        self.wake()

    async def dismiss(self, partitions: Collection[int]) -> None:
        """Forget partitions, once the batch under way is finished."""
        self.wake()
        async with self._turn:
            self._forget(partitions)

    def notice_gateways(self, alive: AbstractSet[str]) -> None:
        """Give up the tasks of gateways that are not alive."""
        for owned in self._partitions.values():
            lost = frozenset(owned.gateways - alive)
            if lost:
                owned.gateways -= lost
                owned.backlog.extend(_lost_tasks(owned, lost))
                self._note_backlog(owned)
                self.wake()

    def waiting_tasks(self) -> Iterator[WaitingTask]:
        """Yield the attempts that no worker is known to run."""
        for owned in self._partitions.values():
            for live in owned.executions.values():
                state = live.state
                for node in state.scheduled_sequence:
                    if state.node_status[node] == NodeStatus.SCHEDULED:
                        planned = state.graph.nodes[node]
                        yield WaitingTask(
                            owned.partition, state.key, planned.id, planned.handler, state.attempts[node]
                        )

    def dispatch_again(self, tasks: Iterable[WaitingTask]) -> None:
        """Give up attempts that nobody will ever run, and make the next ones ready."""
        for task in tasks:
            owned = self._partitions.get(task.partition)
            if owned is not None:
                command = LoseTask(task.key, task.node_id, task.attempt, LostCause.REDISPATCHED)
                owned.backlog.append(DeliveredCommand("", CommandEnvelope(task.partition, command)))
                self._note_backlog(owned)
        self.wake()

    async def turn(self) -> None:
        """Receive one batch and decide it, and rest when many came at once."""
        rest = 0.0
        async with self._turn:
            with outlived(_logger, self._telemetry, "receive commands", TransportLost) as receiving:
                received = await self._receive()
            if receiving.failure is None:
                began = self._clock.monotonic()
                self._backoff.reset()
                await self._decide_all([*self._own_work(), *received])
                rest = rest_after(len(received), self._clock.monotonic() - began, self._settings.rest)
            elif isinstance(receiving.failure, TransportLost):
                self._drop(receiving.failure.partitions, DropReason.TRANSPORT_LOST)
                return
        if receiving.failure is not None:
            await self._backoff.wait()
        elif rest:
            await self._clock.sleep(rest)

    async def _rest(self) -> None:
        await wait_for(self._woken, self._clock, _LEASE_LOOK)
        self._woken.clear()

    async def _receive(self) -> Sequence[DeliveredCommand]:
        """Receive for partitions without a backlog: what is older comes first."""
        ready, wait = self._numbers, 0.0
        if self._behind:
            ready = tuple(number for number in ready if number not in self._behind)
        else:
            wait = self._wait()
        if not ready:
            return ()
        received = await self._log.receive(ready, limit=self._limit, wait=wait)
        self._limit = self._next_limit(len(received), len(ready))
        return received

    def _next_limit(self, received: int, partitions: int) -> int:
        """Let one busy partition fill a batch, but give many busy ones a share each."""
        settings = self._settings
        if received < settings.turn // 2:
            return settings.batch
        return min(settings.batch, max(1, settings.turn // partitions))

    def _wait(self) -> float:
        longest = self._settings.receive_wait
        if self._late:
            longest = min(longest, max(0.0, self._look_at - self._clock.monotonic()))
        due = self._timers.next_due()
        if due is None:
            return longest
        return min(longest, max(0.0, (due - self._clock.now()) / SECOND))

    def _own_work(self) -> list[DeliveredCommand]:
        limit = self._settings.batch
        work: list[DeliveredCommand] = []
        for number in sorted(self._behind):
            owned = self._partitions[number]
            work.extend(owned.backlog.popleft() for _ in range(min(limit, len(owned.backlog))))
            self._note_backlog(owned)
        if self._late and self._clock.monotonic() >= self._look_at:
            work.extend(self._late)
            self._late = []
        for live, command in self._timers.pop_due(self._clock.now(), limit):
            owned_by = self._partitions.get(live.partition)
            if owned_by is not None and owned_by.executions.get(live.state.key) is live:
                work.append(DeliveredCommand("", CommandEnvelope(live.partition, command)))
        return work

    async def _decide_all(self, commands: Sequence[DeliveredCommand]) -> None:
        """Decide in batches that the store can take; what failed before is tried in smaller ones."""
        for batch in batches_of(commands, self._cap, self._settings.batch_bytes):
            # A batch that failed took its partitions out of memory; they come back with a backlog.
            await self._decide([each for each in batch if each.envelope.partition in self._partitions])

    async def _decide(self, batch: Sequence[DeliveredCommand]) -> None:
        if not batch:
            return
        involved = {delivered.envelope.partition for delivered in batch}
        try:
            late = await self._advance.advance(self._partitions, batch)
            self._cap = min(self._settings.turn, self._cap * 2)
            for number in involved:
                self._note_backlog(self._partitions[number])
            if late:
                self._late.extend(late)
                self._look_at = self._clock.monotonic() + self._settings.graph_look
        except OwnershipLost as lost:
            self._drop(lost.partitions & involved, DropReason.LOST)
            self._drop(involved - lost.partitions, DropReason.DOUBT)
        except TransportLost as lost:
            _logger.warning("%s", lost)
            self._drop(lost.partitions, DropReason.TRANSPORT_LOST)
            self._drop(involved - lost.partitions, DropReason.DOUBT)
        except LeaseUnsafe:
            self._drop(involved, DropReason.DOUBT)
        except (StoreUnavailable, AppendOutcomeUnknown, HistoryConflict) as error:
            _logger.warning("a batch of %d failed: %s", len(batch), error)
            self._fold_again(batch)
        except Exception:
            _logger.exception("a batch of %d failed", len(batch))
            if len(batch) == 1:
                await self._give_up(batch[0])
            self._fold_again(batch)

    async def _give_up(self, delivered: DeliveredCommand) -> None:
        """Do without one command, so that its partition goes on."""
        try:
            await self._advance.refuse(delivered)
        except (StoreUnavailable, TransportLost, LeaseUnsafe) as error:
            _logger.warning("cannot refuse a command yet: %s", error)
        except Exception:
            _logger.exception("cannot refuse a command yet")

    def _fold_again(self, batch: Sequence[DeliveredCommand]) -> None:
        """Forget what may differ from the history, and take smaller batches until one succeeds."""
        self._cap = max(1, len(batch) // 4)
        self._drop({delivered.envelope.partition for delivered in batch}, DropReason.DOUBT)

    def _drop(self, partitions: Collection[int], reason: DropReason) -> None:
        leases = [self._partitions[number].lease for number in partitions if number in self._partitions]
        if not leases:
            return
        self._forget(partitions)
        self._telemetry.count("flowmesh.partitions.dropped", len(leases), {"flowmesh.reason": reason.value})
        self._on_drop(leases, reason)

    def _note_backlog(self, owned: OwnedPartition) -> None:
        if owned.backlog:
            self._behind.add(owned.partition)
        else:
            self._behind.discard(owned.partition)

    def _forget(self, partitions: Collection[int]) -> None:
        self._log.close(partitions)
        for number in partitions:
            self._partitions.pop(number, None)
        self._numbers = tuple(self._partitions)
        self._behind.intersection_update(self._numbers)
        self._late = [each for each in self._late if each.envelope.partition in self._partitions]
        self._timers.forget(frozenset(partitions))


def _lost_tasks(owned: OwnedPartition, gateways: AbstractSet[str]) -> Iterator[DeliveredCommand]:
    for live in owned.executions.values():
        state = live.state
        for node, gateway_id in state.gateways.items():
            if gateway_id in gateways:
                node_id = state.graph.nodes[node].id
                command = LoseTask(state.key, node_id, state.attempts[node], LostCause.WORKER_LOST)
                yield DeliveredCommand("", CommandEnvelope(owned.partition, command))
