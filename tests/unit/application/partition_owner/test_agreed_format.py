"""A new format is written once every live member reads it, and no sooner."""

from __future__ import annotations

import asyncio

from flowmesh_core.adapters.memory.membership import MemoryMembership
from flowmesh_core.application.member_session import MemberLease, MemberSession, MemberSettings
from flowmesh_core.ports.formats import AgreedFormat, FormatRange
from flowmesh_core.ports.membership import Role

from .driving import running, until
from .world import World

OLD, NEW = FormatRange(1, 1), FormatRange(1, 2)


async def test_the_new_format_waits_for_the_last_old_process(world: World) -> None:
    upgraded, other = AgreedFormat(NEW), AgreedFormat(NEW)
    async with running(session(world, NEW, upgraded).run(for_ever)):
        assert upgraded.number == 1, "nothing is known yet"
        async with running(session(world, OLD, AgreedFormat(OLD)).run(for_ever)):
            await passed(world, 20)
            assert upgraded.number == 1
            async with running(session(world, NEW, other).run(for_ever)):
                await passed(world, 20)
                assert (upgraded.number, other.number) == (1, 1)
        await passed(world, 20)
        assert upgraded.number == 2


async def test_the_old_format_comes_back_with_an_old_process(world: World) -> None:
    upgraded = AgreedFormat(NEW)
    async with running(session(world, NEW, upgraded).run(for_ever)):
        await passed(world, 20)
        assert upgraded.number == 2
        async with running(session(world, OLD, AgreedFormat(OLD)).run(for_ever)):
            await passed(world, 20)
            assert upgraded.number == 1


def test_nobody_writes_what_it_does_not_know() -> None:
    agreed = AgreedFormat(FormatRange(2, 3))
    assert agreed.number == 2
    agreed.agree(9)
    assert agreed.number == 3
    agreed.agree(1)
    assert agreed.number == 2


def session(world: World, formats: FormatRange, agreed: AgreedFormat) -> MemberSession:
    settings = MemberSettings(frozenset({Role.REAPER}), ttl=6.0, formats=formats)
    membership = MemoryMembership(world.database)
    return MemberSession(membership, world.clock, world.ids, world.telemetry, settings, agreed)


async def for_ever(_: MemberLease) -> None:
    await asyncio.Event().wait()


async def passed(world: World, seconds: float) -> None:
    end = world.clock.monotonic() + seconds

    async def is_over() -> bool:
        return world.clock.monotonic() >= end

    await until(world.clock, is_over)
