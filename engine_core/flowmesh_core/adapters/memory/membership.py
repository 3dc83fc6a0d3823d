"""Members and partitions in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from flowmesh_core.adapters.memory.database import MemberRow, MemoryDatabase
from flowmesh_core.domain.time import SECOND, Micros, after, micros
from flowmesh_core.ports.membership import Member, PartitionLease, Renewal


class MemoryMembership:
    """The twin of the `Membership` port; its database's clock judges the leases."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def join(self, member: Member, ttl: float) -> Micros:
        """See `Membership.join`."""
        known = member.member_id in self._database.members
        if not known or self._database.is_alive(member.member_id):
            self._database.members[member.member_id] = MemberRow(member, self._until(ttl))
        return self._database.clock.now()

    async def renew(self, member_id: str, ttl: float) -> Renewal | None:
        """See `Membership.renew`."""
        if not self._database.is_alive(member_id):
            return None
        newest = min(member.formats.newest for member in await self.live_members())
        self._database.members[member_id].lease_until = self._until(ttl)
        return Renewal(newest, self._database.clock.now())

    async def leave(self, member_id: str) -> None:
        """See `Membership.leave`."""
        self._database.members.pop(member_id, None)

    async def live_members(self) -> Sequence[Member]:
        """See `Membership.live_members`."""
        members = self._database.members
        return [members[each].member for each in sorted(members) if self._database.is_alive(each)]

    async def leases(self) -> Mapping[str, float]:
        """See `Membership.leases`."""
        now = self._database.clock.now()
        return {
            each: (row.lease_until - now) / SECOND
            for each, row in self._database.members.items()
            if self._database.is_alive(each)
        }

    async def acquire(self, member_id: str, limit: int) -> Sequence[PartitionLease]:
        """See `Membership.acquire`."""
        if not self._database.is_alive(member_id):
            return []
        rows = self._database.partitions
        free = (number for number, row in rows.items() if not self._database.is_alive(row.owner))
        taken = list(islice(free, limit))
        for number in taken:
            rows[number].owner = member_id
            rows[number].epoch += 1
        return [PartitionLease(number, rows[number].epoch) for number in taken]

    async def release(self, member_id: str, leases: Collection[PartitionLease]) -> None:
        """See `Membership.release`."""
        for lease in leases:
            row = self._database.partitions[lease.partition]
            if row.owner == member_id and row.epoch == lease.epoch:
                row.owner = None

    async def owned(self, member_id: str) -> Sequence[PartitionLease]:
        """See `Membership.owned`."""
        if member_id not in self._database.members:
            return []
        rows = self._database.partitions.items()
        return [PartitionLease(number, row.epoch) for number, row in rows if row.owner == member_id]

    async def remove_expired(self, older_than: float) -> int:
        """See `Membership.remove_expired`."""
        limit = self._database.clock.now() - micros(older_than)
        members = self._database.members
        removed = [each for each, row in members.items() if row.lease_until < limit]
        for each in removed:
            del members[each]
        return len(removed)

    def _until(self, ttl: float) -> Micros:
        return after(self._database.clock.now(), micros(ttl))
