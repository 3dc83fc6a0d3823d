from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.rate_limiter import MemoryRateLimiter
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.application.rate_limit import Rate, SubmissionRateLimit, SubmissionRates
from flowmesh_core.domain.errors import RateLimited
from flowmesh_core.ports.rate_limiter import Bucket

OFF = Rate(0, 0)


class CountingLimiter(MemoryRateLimiter):
    """Counts its round trips."""

    def __init__(self, transport: MemoryTransport) -> None:
        super().__init__(transport)
        self.trips = 0
        self.answers = True

    async def acquire(self, buckets: Sequence[Bucket], cost: float) -> float:
        self.trips += 1
        if not self.answers:
            await asyncio.Event().wait()
        return await super().acquire(buckets, cost)


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.transport = MemoryTransport(self.clock)
        self.limiter = CountingLimiter(self.transport)
        self.telemetry = RecordedTelemetry()

    def replica(self, per_namespace: Rate = OFF, per_client: Rate = OFF) -> SubmissionRateLimit:
        rates = SubmissionRates(per_namespace, per_client)
        return SubmissionRateLimit(self.limiter, self.clock, self.telemetry, rates)


async def test_replicas_share_the_rate_of_a_namespace() -> None:
    world = World()
    one, two = (world.replica(per_namespace=Rate(1, burst=4)) for _ in range(2))
    await one.admit("ns", "a", 2)
    await two.admit("ns", "b", 2)
    with pytest.raises(RateLimited) as limited:
        await one.admit("ns", "c", 3)
    await one.admit("other", "a", 4)
    world.clock.advance(3)
    await one.admit("ns", "c", 3)
    assert limited.value.retry_after == 3.0


async def test_a_client_has_a_rate_of_its_own() -> None:
    world = World()
    limit = world.replica(per_client=Rate(1, burst=1))
    await limit.admit("ns", "a")
    await limit.admit("ns", "b")
    with pytest.raises(RateLimited):
        await limit.admit("other", "a")


async def test_a_rate_of_zero_costs_nothing() -> None:
    world = World()
    limit = world.replica()
    for _ in range(100):
        await limit.admit("ns", "a")
    assert world.limiter.trips == 0


async def test_high_rates_take_tokens_ahead() -> None:
    world = World()
    limit = world.replica(per_namespace=Rate(10_000, burst=1_000))
    for _ in range(1_000):
        await limit.admit("ns", "a")
    assert world.limiter.trips == 10
    with pytest.raises(RateLimited):
        await limit.admit("ns", "a")


async def test_tokens_taken_ahead_do_not_keep() -> None:
    world = World()
    limit = world.replica(per_namespace=Rate(1_000, burst=1_000))
    await limit.admit("ns", "a")
    world.clock.advance(2)
    await limit.admit("ns", "a")
    assert world.limiter.trips == 2


async def test_the_last_tokens_are_given_one_by_one() -> None:
    world = World()
    limit = world.replica(per_namespace=Rate(1_000, burst=15))
    for _ in range(15):
        await limit.admit("ns", "a")
    with pytest.raises(RateLimited):
        await limit.admit("ns", "a")


@pytest.mark.parametrize("outage", ["refused", "silent"])
async def test_an_outage_admits_everyone_and_is_counted(outage: str) -> None:
    world = World()
    limit = world.replica(per_namespace=Rate(1, burst=1))
    world.transport.available = outage != "refused"
    world.limiter.answers = outage != "silent"
    for _ in range(100):
        await limit.admit("ns", "a")
    assert world.telemetry.counts["flowmesh.outages.rate_limit"] == 1
    world.transport.available = world.limiter.answers = True
    world.clock.advance(2)
    await limit.admit("ns", "a")
    with pytest.raises(RateLimited):
        await limit.admit("ns", "a")


async def test_a_namespace_that_is_no_name_makes_no_bucket() -> None:
    world = World()
    await world.replica(per_namespace=Rate(1, burst=1)).admit("/" * 1_000, "a")
    assert world.transport.buckets == {}
