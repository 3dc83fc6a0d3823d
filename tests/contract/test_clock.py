"""The contracts of Clock and IdSource, and what the twins add for tests."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.id_source import SequentialIds
from flowmesh_core.adapters.system import SystemClock, Uuid7Ids
from flowmesh_core.domain.time import SECOND


@pytest.mark.parametrize("clock", [SystemClock(), VirtualClock()])
async def test_time_is_in_micros_and_does_not_go_back(clock: SystemClock | VirtualClock) -> None:
    assert clock.now() > 1_600_000_000 * SECOND
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before


async def test_a_sleep_takes_its_time() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009


async def test_virtual_time_moves_only_when_told() -> None:
    clock = VirtualClock()
    start = clock.now()
    clock.advance(1.5)
    assert (clock.now() - start, clock.monotonic()) == (1_500_000, 1.5)


async def test_sleepers_wake_in_the_order_of_their_moments() -> None:
    clock, woken = VirtualClock(), list[float]()

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 1.0, 2.0):
            group.create_task(sleep(seconds))
        await asyncio.sleep(0)
        assert clock.next_wake() == 1.0
        clock.advance(0.5)
        assert clock.next_wake() == 0.5
        clock.advance(9)
    assert woken == [1.0, 2.0, 3.0]
    assert clock.next_wake() is None


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = VirtualClock()
    sleeper = asyncio.ensure_future(clock.sleep(5))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.gather(sleeper, return_exceptions=True)
    assert clock.next_wake() is None
    clock.advance(10)


@pytest.mark.parametrize("source", [Uuid7Ids(), SequentialIds()])
def test_ids_are_unique_and_sort_by_time(source: Uuid7Ids | SequentialIds) -> None:
    made = [source.new_id() for _ in range(1000)]
    assert made == sorted(set(made))
    assert {uuid.UUID(each).version for each in made} == {7}
    assert {len(each) for each in made} == {36}


async def test_a_wait_below_the_grain_ends_with_the_time_of_its_wake() -> None:
    clock = VirtualClock()
    waiting = asyncio.create_task(clock.sleep(1e-9))
    await asyncio.sleep(0)
    before = clock.monotonic()
    clock.advance(clock.next_wake() or 0.0)
    await waiting

    assert clock.monotonic() > before, "or who waits for the rest of a deadline waits for ever"
