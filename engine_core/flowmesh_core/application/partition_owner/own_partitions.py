"""Which partitions this member owns, and that it serves every one of them."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from flowmesh_core.application.backoff import Backoff
from flowmesh_core.application.member_session import MemberLease
from flowmesh_core.application.outlived import outlived
from flowmesh_core.application.partition_owner.lane import DropReason, Lane
from flowmesh_core.application.partition_owner.settings import OwnerSettings
from flowmesh_core.application.waiting import wait_for
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.command_log import TransportLost
from flowmesh_core.ports.membership import Member, Membership, PartitionLease, Role
from flowmesh_core.ports.telemetry import Telemetry

_logger = logging.getLogger(__name__)


class OwnPartitions:
    """Takes a fair share of the partitions, loads them, and hands surplus back.

    What it holds is in one of two places: with a lane, or waiting to be loaded.
    What the store believes it owns beyond that is released at the next look after
    something went wrong, or after a while, so no partition stays leased without
    being served.
    """

    def __init__(
        self,
        membership: Membership,
        lease: MemberLease,
        settings: OwnerSettings,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """Own partitions under `lease`."""
        self._membership = membership
        self._lease = lease
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        self._outlived = partial(outlived, _logger, telemetry)
        self._lanes: Sequence[Lane] = ()
        self._serving: dict[int, PartitionLease] = {}
        self._waiting: dict[int, PartitionLease] = {}
        self._transport_lost: set[int] = set()
        self._members: frozenset[str] = frozenset()
        self._reconcile_at = clock.monotonic()
        self._backoff = Backoff(clock)
        self._judges_gateways_from = clock.monotonic() + settings.gateway_grace
        self._woken = asyncio.Event()

    def use(self, lanes: Sequence[Lane]) -> None:
        """Spread partitions over these lanes, which report back by `dropped`."""
        self._lanes = lanes

    def wake(self) -> None:
        """Have it look for something to do."""
        self._woken.set()

    def dropped(self, leases: Collection[PartitionLease], reason: DropReason) -> None:
        """Hear from a lane that partitions went out of its memory."""
        for lease in leases:
            self._serving.pop(lease.partition, None)
            if reason is DropReason.LOST:
                continue
            self._waiting[lease.partition] = lease
            if reason is DropReason.TRANSPORT_LOST:
                self._transport_lost.add(lease.partition)
        self.wake()

    async def run(self, stopping: asyncio.Event) -> None:
        """Look around at every tick, and load at once what lanes dropped, until `stopping`."""
        while not stopping.is_set():
            with self._outlived("look after partitions") as looking:
                await self.look()
            if looking.failure is not None:
                self._reconcile_soon()
            await self._load_until(self._clock.monotonic() + self._lease.tick, stopping)
        await self._release_all()

    async def look(self) -> None:
        """Compare what is held with what should be, once.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        members = await self._membership.live_members()
        alive = frozenset(member.member_id for member in members)
        self._tell_lanes(alive)
        if alive != self._members or self._clock.monotonic() >= self._reconcile_at:
            await self._reconcile()
        self._members = alive
        share = self._share(members)
        await self._hand_back(share)
        lacking = share - len(self._serving) - len(self._waiting)
        if lacking > 0:
            leases = await self._membership.acquire(self._lease.member_id, lacking)
            await self._load(leases)
        self._telemetry.level("flowmesh.partitions.owned", len(self._serving))
        self._telemetry.level("flowmesh.executions.open", sum(lane.open_executions for lane in self._lanes))

    def _tell_lanes(self, alive: AbstractSet[str]) -> None:
        if self._clock.monotonic() >= self._judges_gateways_from:
            for lane in self._lanes:
                lane.notice_gateways(alive)

    async def load_waiting(self) -> None:
        """Load what lanes dropped, as far as the store says that it is still owned."""
        with self._outlived(f"load {len(self._waiting)} partitions") as reconciling:
            await self._reconcile()
        if reconciling.failure is not None:
            # Not loaded, so it must not stay leased: the next look releases it.
            self._reconcile_soon()
            self._waiting.clear()
        waiting = list(self._waiting.values())
        self._waiting.clear()
        await self._load(waiting)

    async def _load_until(self, deadline: float, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            remaining = deadline - self._clock.monotonic()
            if not await wait_for(self._woken, self._clock, max(0.0, remaining)):
                # A tick without trouble.
                self._backoff.reset()
                return
            self._woken.clear()
            if self._waiting:
                await self._backoff.wait()
                await self.load_waiting()

    def _share(self, members: Collection[Member]) -> int:
        owners = sum(Role.ORCHESTRATION in member.roles for member in members)
        return -(-self._settings.partitions // max(1, owners))

    async def _reconcile(self) -> None:
        """Release what is leased but not served, and forget what is served but not leased."""
        self._reconcile_at = self._clock.monotonic() + self._settings.reconcile_interval
        leased = set(await self._membership.owned(self._lease.member_id))
        held = {**self._serving, **self._waiting}
        gone = [number for number, lease in held.items() if lease not in leased]
        await self._dismiss(gone)
        unserved = leased - set(held.values())
        if unserved:
            _logger.warning("releasing %d partitions that are leased but not loaded", len(unserved))
            await self._membership.release(self._lease.member_id, unserved)

    async def _hand_back(self, share: int) -> None:
        surplus = list(self._serving.values())[share:]
        if surplus:
            await self._dismiss([lease.partition for lease in surplus])
            await self._membership.release(self._lease.member_id, surplus)

    async def _load(self, leases: Sequence[PartitionLease]) -> None:
        groups: defaultdict[tuple[Lane, bool], list[PartitionLease]] = defaultdict(list)
        for lease in leases:
            lane = self._lanes[lease.partition % len(self._lanes)]
            groups[(lane, lease.partition in self._transport_lost)].append(lease)
        size = self._settings.takeover_partitions
        for (lane, transport_lost), group in groups.items():
            for start in range(0, len(group), size):
                await self._load_group(lane, group[start : start + size], transport_lost)

    async def _load_group(self, lane: Lane, leases: Sequence[PartitionLease], transport_lost: bool) -> None:
        with self._outlived(f"load {len(leases)} partitions, releasing them", TransportLost) as loading:
            await lane.take(leases, transport_lost=transport_lost)
        if loading.failure is not None:
            await self._give_back(leases)
            return
        for lease in leases:
            self._transport_lost.discard(lease.partition)
            self._serving[lease.partition] = lease

    async def _dismiss(self, partitions: Collection[int]) -> None:
        """Take partitions out of memory without asking for them back."""
        if not partitions:
            return
        for lane in self._lanes:
            await lane.dismiss(partitions)
        for number in partitions:
            self._serving.pop(number, None)
            self._waiting.pop(number, None)

    async def _release_all(self) -> None:
        held = [*self._serving.values(), *self._waiting.values()]
        await self._dismiss([lease.partition for lease in held])
        await self._give_back(held)

    async def _give_back(self, leases: Collection[PartitionLease]) -> None:
        # If it fails, the next look finds them leased but not served, or the lease runs out.
        with self._outlived(f"release {len(leases)} partitions yet") as releasing:
            await self._membership.release(self._lease.member_id, leases)
        if releasing.failure is not None:
            self._reconcile_soon()

    def _reconcile_soon(self) -> None:
        self._reconcile_at = self._clock.monotonic()
