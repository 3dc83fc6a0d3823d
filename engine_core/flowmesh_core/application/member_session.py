"""Being a member of the cluster: join, renew, and begin anew after a lost lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from flowmesh_core.application.backoff import Backoff
from flowmesh_core.application.outlived import outlived
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.formats import FORMATS, AgreedFormat, FormatRange
from flowmesh_core.ports.id_source import IdSource
from flowmesh_core.ports.membership import Member, Membership, Role
from flowmesh_core.ports.telemetry import Telemetry

_logger = logging.getLogger(__name__)

_RENEWALS_PER_TTL = 3
_RETRIES_PER_TICK = 4
_SAFE_SHARE = 0.8
"""How much of a lease is used: the rest is for clocks that run at other speeds."""


class MemberLease:
    """One membership of this process, from joining to its loss.

    Everything that acts under it asks `is_safe` before each write. Its id is
    also the id of the process's gateway and mailbox.
    """

    def __init__(self, member: Member, clock: Clock, ttl: float, asked_at: float) -> None:
        """Start a lease of `ttl` seconds that was asked for at `asked_at` on the monotonic clock."""
        self.member = member
        self.ttl = ttl
        self._clock = clock
        self._safe_until = 0.0
        self.extend(asked_at)

    @property
    def member_id(self) -> str:
        """The id of the member, unique to this lease."""
        return self.member.member_id

    @property
    def tick(self) -> float:
        """How many seconds lie between renewals."""
        return self.ttl / _RENEWALS_PER_TTL

    @property
    def is_safe(self) -> bool:
        """Whether nobody else can hold what this lease holds."""
        return self._clock.monotonic() < self._safe_until

    def extend(self, asked_at: float) -> None:
        """Count the lease from the moment when its renewal was asked for."""
        self._safe_until = asked_at + self.ttl * _SAFE_SHARE


Hear = Callable[[Micros, float], None]
Serve = Callable[[MemberLease], Awaitable[None]]
"""What a process does as a member. It is cancelled when the lease is lost, and
called again with the next lease."""


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """How this process shows itself to the others.

    Attributes:
        roles: What it does.
        address: Where it listens, for people.
        ttl: How many seconds after its last sign of life it counts as dead.
        formats: What it reads.
    """

    roles: frozenset[Role]
    address: str = ""
    ttl: float = 6.0
    formats: FormatRange = FORMATS


class MemberSession:
    """Keeps this process a member for as long as it serves."""

    def __init__(
        self,
        membership: Membership,
        clock: Clock,
        ids: IdSource,
        telemetry: Telemetry,
        settings: MemberSettings,
        agreed: AgreedFormat | None = None,
        hear: Hear = lambda _now, _asked_at: None,
    ) -> None:
        """Prepare; nothing happens before `run`.

        What the members agree on is put into `agreed`. `hear` is told the clock
        of the database, and when on the monotonic clock it was asked for.
        """
        self._membership = membership
        self._clock = clock
        self._ids = ids
        self._telemetry = telemetry
        self._outlived = partial(outlived, _logger, telemetry)
        self._settings = settings
        self._agreed = agreed or AgreedFormat(settings.formats)
        self._hear = hear

    async def run(self, serve: Serve) -> None:
        """Call `serve` as a member until it returns by itself, then leave.

        A lost lease cancels `serve`; it is called again under a new member id,
        because under the old one this process counts as dead.
        """
        served = False
        while not served:
            lease = await self._join()
            try:
                served = await self._serve(lease, serve)
            finally:
                await self._leave(lease)

    async def _join(self) -> MemberLease:
        backoff = Backoff(self._clock)
        settings = self._settings
        while True:
            member = Member(self._ids.new_id(), settings.roles, settings.address, settings.formats)
            asked_at = self._clock.monotonic()
            with self._outlived("join the cluster yet") as joining:
                self._hear(await self._membership.join(member, settings.ttl), asked_at)
            if joining.failure is None:
                return MemberLease(member, self._clock, settings.ttl, asked_at)
            await backoff.wait()

    async def _serve(self, lease: MemberLease, serve: Serve) -> bool:
        """Return whether `serve` ended by itself rather than by the loss of the lease."""
        # No TaskGroup: one that is cancelled while a child fails forgets the cancellation.
        serving = asyncio.ensure_future(serve(lease))
        renewing = asyncio.ensure_future(self._renew(lease))
        try:
            await asyncio.wait({serving, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            serving.cancel()
            renewing.cancel()
            await asyncio.wait({serving, renewing})
        if not renewing.cancelled():
            renewing.result()
        if not serving.cancelled():
            serving.result()
            return True
        _logger.warning("member %s lost its lease and joins again", lease.member_id)
        roles = ",".join(sorted(role.value for role in self._settings.roles))
        self._telemetry.count("flowmesh.leases.lost", 1, {"flowmesh.roles": roles})
        return False

    async def _renew(self, lease: MemberLease) -> None:
        """Return when the store says that the member is not alive any more.

        What is not renewed stops being safe by itself, whatever the reason.
        """
        pause = lease.tick
        while True:
            await self._clock.sleep(pause)
            asked_at = self._clock.monotonic()
            with self._outlived("renew the lease") as renewing:
                renewal = await self._membership.renew(lease.member_id, lease.ttl)
                if renewal is None:
                    return
                lease.extend(asked_at)
                self._hear(renewal.now, asked_at)
                self._agreed.agree(renewal.newest_format)
            pause = lease.tick if renewing.failure is None else lease.tick / _RETRIES_PER_TICK

    async def _leave(self, lease: MemberLease) -> None:
        with self._outlived("leave the cluster, the lease runs out by itself"):
            await self._membership.leave(lease.member_id)
