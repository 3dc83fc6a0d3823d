"""Which server processes are alive, and which partitions each owns.

Both are judged by the clock of the database alone. The lease of a member is
the lease of every partition it owns: one small update per tick, however many.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.formats import FORMATS, FormatRange


class Role(Enum):
    """What a server process does."""

    SUBMISSION = "submission"
    ORCHESTRATION = "orchestration"
    WORKER_CONTROL = "worker-control"
    REAPER = "reaper"


@dataclass(frozen=True, slots=True)
class Member:
    """One server process.

    Attributes:
        member_id: Unique for every start of a process; also the id of its gateway.
        roles: What it does.
        address: Where it listens, for people.
        formats: What it reads.
    """

    member_id: str
    roles: frozenset[Role]
    address: str = ""
    formats: FormatRange = FORMATS


@dataclass(frozen=True, slots=True)
class PartitionLease:
    """The right to write the history of a partition, until its epoch is raised."""

    partition: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a member hears when its lease goes on.

    Attributes:
        newest_format: The newest format that all live members read.
        now: The clock of the database, read between the question and its answer.
    """

    newest_format: int
    now: Micros


class Membership(Protocol):
    """Keeps members and their partitions.

    A member is alive while its lease has not expired. A partition is free when
    it has no owner or its owner is not alive.
    """

    async def join(self, member: Member, ttl: float) -> Micros:
        """Add a member whose lease ends in `ttl` seconds; return the clock of the database, as `renew` does.

        Raises:
            StoreUnavailable: The store does not answer.
        """

    async def renew(self, member_id: str, ttl: float) -> Renewal | None:
        """Let the lease end in `ttl` seconds from now; None when it had expired or was removed.

        After None the member's partitions may belong to others, and it has to
        forget them and join again under a new id.
        """

    async def leave(self, member_id: str) -> None:
        """Remove a member; its partitions are free at once."""

    async def live_members(self) -> Sequence[Member]:
        """Return the members whose lease has not expired, by id."""

    async def leases(self) -> Mapping[str, float]:
        """Return for each live member, by id, in how many seconds its lease ends unless it is renewed."""

    async def acquire(self, member_id: str, limit: int) -> Sequence[PartitionLease]:
        """Take up to `limit` free partitions, raising the epoch of each.

        A concurrent append under the old epoch either commits before this
        returns or writes nothing. Two members never get the same partition
        under the same epoch. Returns nothing for a member that is not alive.
        """

    async def release(self, member_id: str, leases: Collection[PartitionLease]) -> None:
        """Give partitions back at once; those that another took since are left alone."""

    async def owned(self, member_id: str) -> Sequence[PartitionLease]:
        """Return the partitions that the store believes the member owns."""

    async def remove_expired(self, older_than: float) -> int:
        """Delete members that expired more than `older_than` seconds ago; return how many."""
