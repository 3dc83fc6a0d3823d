from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flowmesh_core.ports.rate_limiter import Bucket

if TYPE_CHECKING:
    from tests.contract.transports import Transport

SLOW = Bucket("slow", rate=0.01, burst=3)


async def test_a_burst_passes_and_then_the_rate_rules(transport: Transport) -> None:
    limiter = transport.process().rate_limiter
    assert [await limiter.acquire([SLOW], 1) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert await limiter.acquire([SLOW], 1) == pytest.approx(100, rel=0.01)


async def test_processes_share_the_buckets(transport: Transport) -> None:
    await transport.process().rate_limiter.acquire([SLOW], 3)
    assert await transport.process().rate_limiter.acquire([SLOW], 3) > 0


async def test_tokens_come_back_with_time(transport: Transport) -> None:
    limiter = transport.process().rate_limiter
    quick = Bucket("quick", rate=100, burst=1)
    assert await limiter.acquire([quick], 1) == 0.0
    await transport.elapse(0.05)
    assert await limiter.acquire([quick], 1) == 0.0


async def test_all_buckets_or_none(transport: Transport) -> None:
    limiter = transport.process().rate_limiter
    wide = Bucket("wide", rate=0.01, burst=5)
    await limiter.acquire([SLOW], 3)
    assert await limiter.acquire([wide, SLOW], 1) > 0
    assert await limiter.acquire([wide], 5) == 0.0


async def test_a_cost_over_the_burst_counts_as_the_burst(transport: Transport) -> None:
    limiter = transport.process().rate_limiter
    assert await limiter.acquire([SLOW], 1_000) == 0.0
    assert await limiter.acquire([SLOW], 1_000) == pytest.approx(300, rel=0.01)


async def test_no_buckets_never_wait(transport: Transport) -> None:
    assert await transport.process().rate_limiter.acquire([], 1) == 0.0
