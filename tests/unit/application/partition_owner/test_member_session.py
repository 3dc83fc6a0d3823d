from __future__ import annotations

import asyncio

import pytest

from flowmesh_core.adapters.memory.membership import MemoryMembership
from flowmesh_core.application.member_session import MemberLease, MemberSession, MemberSettings
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.membership import Member, Renewal, Role

from .driving import running, until
from .world import World


class _Membership(MemoryMembership):
    """A membership whose store can fail."""

    failure: Exception | None = None

    async def join(self, member: Member, ttl: float) -> Micros:
        self._require()
        return await super().join(member, ttl)

    async def renew(self, member_id: str, ttl: float) -> Renewal | None:
        self._require()
        return await super().renew(member_id, ttl)

    async def leave(self, member_id: str) -> None:
        self._require()
        await super().leave(member_id)

    def _require(self) -> None:
        if self.failure is not None:
            raise self.failure


class _Served:
    """Serves until it is told to end, and remembers its leases."""

    def __init__(self) -> None:
        self.leases: list[MemberLease] = []
        self.end = asyncio.Event()

    async def __call__(self, lease: MemberLease) -> None:
        self.leases.append(lease)
        await self.end.wait()


@pytest.fixture
def membership(world: World) -> _Membership:
    return _Membership(world.database)


@pytest.fixture(params=[StoreUnavailable("the server is gone"), ZeroDivisionError("nobody foresaw this")])
def failure(request: pytest.FixtureRequest) -> Exception:
    assert isinstance(request.param, Exception)
    return request.param


@pytest.fixture
def session(world: World, membership: _Membership) -> MemberSession:
    settings = MemberSettings(frozenset({Role.REAPER}), "here:1", ttl=6.0)
    return MemberSession(membership, world.clock, world.ids, world.telemetry, settings)


async def test_it_stays_a_member_while_it_serves_and_leaves_at_the_end(
    world: World, membership: _Membership, session: MemberSession
) -> None:
    served = _Served()
    async with running(session.run(served)) as task:
        await until(world.clock, lambda: _later(world, 60))
        (lease,) = served.leases
        assert await membership.live_members() == [
            Member(lease.member_id, frozenset({Role.REAPER}), "here:1")
        ]
        assert lease.is_safe
        served.end.set()
        await task
        assert await membership.live_members() == []


async def test_a_lease_is_not_safe_when_it_could_not_be_renewed_in_time(
    world: World, membership: _Membership, session: MemberSession, failure: Exception
) -> None:
    served = _Served()
    async with running(session.run(served)) as task:
        await until(world.clock, lambda: _served(served, 1))
        membership.failure = failure
        world.clock.advance(4.7)
        assert served.leases[0].is_safe
        world.clock.advance(0.2)
        assert not await _safe(served.leases[0])
        membership.failure = None
        world.clock.advance(0.5)
        await until(world.clock, lambda: _safe(served.leases[0]))
        assert len(served.leases) == 1, "the store never counted it as dead"
        served.end.set()
        await task


async def test_a_lease_that_ran_out_is_followed_by_another_under_a_new_id(
    world: World, membership: _Membership, session: MemberSession, failure: Exception
) -> None:
    served = _Served()
    async with running(session.run(served)) as task:
        await until(world.clock, lambda: _served(served, 1))
        membership.failure = failure
        await until(world.clock, lambda: _unsafe(served.leases[0]))
        (alive,) = await membership.live_members()
        assert alive.member_id == served.leases[0].member_id, "nobody else can hold what it holds yet"
        await until(world.clock, lambda: _later(world, 30))
        assert len(served.leases) == 1, "nobody said that it was lost"
        membership.failure = None
        await until(world.clock, lambda: _served(served, 2))
        assert served.leases[0].member_id != served.leases[1].member_id
        assert world.telemetry.counts["flowmesh.leases.lost"] == 1
        served.end.set()
        await task


async def test_it_waits_for_the_store_to_join(
    world: World, membership: _Membership, session: MemberSession, failure: Exception
) -> None:
    served = _Served()
    membership.failure = failure
    async with running(session.run(served)) as task:
        await until(world.clock, lambda: _later(world, 30))
        assert served.leases == []
        membership.failure = None
        await until(world.clock, lambda: _served(served, 1))
        served.end.set()
        await task


async def test_it_ends_even_when_it_cannot_leave(
    world: World, membership: _Membership, session: MemberSession, failure: Exception
) -> None:
    served = _Served()
    async with running(session.run(served)) as task:
        await until(world.clock, lambda: _served(served, 1))
        membership.failure = failure
        served.end.set()
        await task
    assert len(await membership.live_members()) == 1, "its lease runs out by itself"


async def test_what_nobody_foresaw_is_counted(
    world: World, membership: _Membership, session: MemberSession
) -> None:
    async with running(session.run(_Served())):
        membership.failure = ZeroDivisionError()
        await until(world.clock, lambda: _later(world, 30))
        assert world.telemetry.counts["flowmesh.failures.unexpected"] > 1


async def test_a_failure_of_what_it_serves_is_not_hidden(session: MemberSession) -> None:
    async def fail(_lease: MemberLease) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await session.run(fail)


async def _later(world: World, moment: float) -> bool:
    return world.clock.monotonic() >= moment


async def _served(served: _Served, times: int) -> bool:
    return len(served.leases) >= times


async def _unsafe(lease: MemberLease) -> bool:
    return not lease.is_safe


async def _safe(lease: MemberLease) -> bool:
    return lease.is_safe
