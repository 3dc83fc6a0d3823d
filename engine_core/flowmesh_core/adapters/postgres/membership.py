"""Members and partitions in PostgreSQL, judged by its clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from flowmesh_core.adapters.postgres.pool import connection
from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.formats import FormatRange
from flowmesh_core.ports.membership import Member, PartitionLease, Renewal, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from flowmesh_core.adapters.postgres.pool import Pool

_JOIN = statement("join")
_RENEW = statement("renew")
_LEAVE = statement("leave")
_LIVE_MEMBERS = statement("live_members")
_LEASES = statement("leases")
_ACQUIRE = statement("acquire")
_RELEASE = statement("release")
_OWNED = statement("owned")
_REMOVE_EXPIRED = statement("remove_expired")


class PostgresMembership:
    """The `Membership` port on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def join(self, member: Member, ttl: float) -> Micros:
        """See `Membership.join`."""
        roles = sorted(role.value for role in member.roles)
        async with connection(self._pool) as borrowed:
            now: int = await borrowed.fetchval(
                *(_JOIN, member.member_id, roles, member.address, ttl),
                *(member.formats.oldest, member.formats.newest),
            )
        return Micros(now)

    async def renew(self, member_id: str, ttl: float) -> Renewal | None:
        """See `Membership.renew`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(_RENEW, member_id, ttl)
        return None if row is None else Renewal(row["newest_format"], Micros(row["now"]))

    async def leave(self, member_id: str) -> None:
        """See `Membership.leave`."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(_LEAVE, member_id)

    async def live_members(self) -> Sequence[Member]:
        """See `Membership.live_members`."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(_LIVE_MEMBERS)
        return [
            Member(
                row["member_id"],
                frozenset(Role(role) for role in row["roles"]),
                row["address"],
                FormatRange(row["oldest_format"], row["newest_format"]),
            )
            for row in rows
        ]

    async def leases(self) -> Mapping[str, float]:
        """See `Membership.leases`."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(_LEASES)
        return {row["member_id"]: row["seconds"] for row in rows}

    async def acquire(self, member_id: str, limit: int) -> Sequence[PartitionLease]:
        """See `Membership.acquire`."""
        async with connection(self._pool) as borrowed:
            return _leases(await borrowed.fetch(_ACQUIRE, member_id, limit))

    async def release(self, member_id: str, leases: Collection[PartitionLease]) -> None:
        """See `Membership.release`."""
        partitions = [lease.partition for lease in leases]
        epochs = [lease.epoch for lease in leases]
        async with connection(self._pool) as borrowed:
            await borrowed.execute(_RELEASE, member_id, partitions, epochs)

    async def owned(self, member_id: str) -> Sequence[PartitionLease]:
        """See `Membership.owned`."""
        async with connection(self._pool) as borrowed:
            return _leases(await borrowed.fetch(_OWNED, member_id))

    async def remove_expired(self, older_than: float) -> int:
        """See `Membership.remove_expired`."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(_REMOVE_EXPIRED, older_than))


def _leases(rows: Iterable[asyncpg.Record]) -> list[PartitionLease]:
    return sorted(
        (PartitionLease(row["partition"], row["epoch"]) for row in rows), key=lambda lease: lease.partition
    )
