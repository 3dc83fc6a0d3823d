"""The contract of Membership."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.domain.time import SECOND
from flowmesh_core.ports.formats import FormatRange
from flowmesh_core.ports.membership import Member, PartitionLease, Role

if TYPE_CHECKING:
    from tests.contract.stores import Stores


@pytest.fixture
async def cluster(stores: Stores) -> Stores:
    """A cluster with four partitions."""
    await stores.cluster.open(4)
    return stores


async def test_members_live_until_their_lease_ends(cluster: Stores) -> None:
    roles = frozenset({Role.REAPER, Role.ORCHESTRATION})
    await cluster.membership.join(Member("b", roles, "host:1"), 60)
    await cluster.member("a")
    await cluster.member("gone")
    await cluster.expire("gone")
    live = await cluster.membership.live_members()
    assert [member.member_id for member in live] == ["a", "b"]
    assert live[1] == Member("b", roles, "host:1")


async def test_an_expired_or_unknown_member_cannot_renew(cluster: Stores) -> None:
    await cluster.member("m")
    assert await cluster.membership.renew("m", 60)
    await cluster.expire("m")
    assert not await cluster.membership.renew("m", 60)
    assert not await cluster.membership.renew("stranger", 60)


async def test_a_renewal_tells_the_newest_format_that_all_live_members_read(cluster: Stores) -> None:
    roles = frozenset({Role.REAPER})
    await cluster.membership.join(Member("new", roles, formats=FormatRange(1, 3)), 60)
    assert await newest(cluster) == 3
    await cluster.membership.join(Member("old", roles, formats=FormatRange(1, 2)), 60)
    assert await newest(cluster) == 2
    assert [each.formats for each in await cluster.membership.live_members()] == [
        FormatRange(1, 3),
        FormatRange(1, 2),
    ]
    await cluster.membership.leave("old")
    assert await newest(cluster) == 3


async def newest(cluster: Stores) -> int:
    renewal = await cluster.membership.renew("new", 60)
    assert renewal is not None
    return renewal.newest_format


async def test_members_hear_the_one_clock_of_the_database(cluster: Stores) -> None:
    joined = await cluster.membership.join(Member("m", frozenset({Role.REAPER})), 60)
    renewals = [await cluster.membership.renew("m", 60) for _ in range(2)]
    first, second = (renewal.now for renewal in renewals if renewal is not None)
    assert joined <= first <= second < joined + 60 * SECOND


async def test_the_ends_of_live_leases_are_told(cluster: Stores) -> None:
    await cluster.member("long", 60.0)
    await cluster.member("short", 5.0)
    await cluster.member("gone")
    await cluster.expire("gone")
    leases = await cluster.membership.leases()
    assert leases.keys() == {"long", "short"}
    assert 0 < leases["short"] <= 5.0 < leases["long"] <= 60.0


async def test_an_expired_member_does_not_come_back_by_joining(cluster: Stores) -> None:
    await cluster.member("m")
    await cluster.expire("m")
    await cluster.member("m")
    assert await cluster.membership.live_members() == []


async def test_a_join_may_be_repeated(cluster: Stores) -> None:
    await cluster.member("m")
    await cluster.member("m")
    assert len(await cluster.membership.live_members()) == 1


async def test_free_partitions_are_taken_up_to_the_limit(cluster: Stores) -> None:
    await cluster.member("m")
    first = await cluster.membership.acquire("m", 3)
    assert len(first) == 3
    second = await cluster.membership.acquire("m", 3)
    assert len(second) == 1
    assert await cluster.membership.acquire("m", 3) == []
    assert await cluster.membership.owned("m") == sorted([*first, *second], key=lambda each: each.partition)


async def test_only_the_living_take_partitions(cluster: Stores) -> None:
    assert await cluster.membership.acquire("stranger", 4) == []
    await cluster.member("m")
    await cluster.expire("m")
    assert await cluster.membership.acquire("m", 4) == []


async def test_partitions_of_a_living_member_are_not_taken(cluster: Stores) -> None:
    await cluster.membership.acquire(await cluster.member("a"), 3)
    assert len(await cluster.membership.acquire(await cluster.member("b"), 4)) == 1


async def test_taking_from_the_dead_raises_the_epoch(cluster: Stores) -> None:
    old = await cluster.membership.acquire(await cluster.member("a"), 4)
    await cluster.expire("a")
    new = await cluster.membership.acquire(await cluster.member("b"), 4)
    assert [(each.partition, each.epoch + 1) for each in old] == [
        (each.partition, each.epoch) for each in new
    ]
    assert await cluster.membership.owned("a") == []


async def test_a_member_that_left_owns_nothing(cluster: Stores) -> None:
    await cluster.membership.acquire(await cluster.member("a"), 4)
    await cluster.membership.leave("a")
    await cluster.membership.leave("a")
    assert await cluster.membership.live_members() == []
    assert await cluster.membership.owned("a") == []
    assert len(await cluster.membership.acquire(await cluster.member("b"), 4)) == 4


async def test_released_partitions_are_free_and_others_are_left_alone(cluster: Stores) -> None:
    leases = await cluster.membership.acquire(await cluster.member("a"), 4)
    stale = PartitionLease(leases[1].partition, leases[1].epoch - 1)
    await cluster.membership.release("a", [leases[0], stale])
    await cluster.membership.release("b", [leases[2]])
    assert await cluster.membership.owned("a") == leases[1:]
    taken = await cluster.membership.acquire(await cluster.member("b"), 4)
    assert taken == [PartitionLease(leases[0].partition, leases[0].epoch + 1)]


async def test_two_members_never_share_a_partition(cluster: Stores) -> None:
    members = [await cluster.member(f"m{number}") for number in range(6)]
    taken = await asyncio.gather(*(cluster.membership.acquire(each, 2) for each in members))
    partitions = [lease.partition for leases in taken for lease in leases]
    assert len(partitions) == len(set(partitions))


async def test_members_that_expired_long_ago_are_removed(cluster: Stores) -> None:
    await cluster.member("alive")
    await cluster.membership.acquire(await cluster.member("dead"), 4)
    await cluster.expire("dead")
    assert await cluster.membership.remove_expired(3600) == 0
    assert await cluster.membership.remove_expired(0) == 1
    assert await cluster.membership.remove_expired(0) == 0
    assert len(await cluster.membership.acquire("alive", 4)) == 4
