from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

import pytest

from flowmesh_core.application.event_feed import NEWS, EventFeed
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.events import Event, NodeCompleted
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.history_store import HistoryBatch
from flowmesh_core.ports.membership import PartitionLease

KEY = ExecutionKey("default", "e1")


class Histories:
    """One history, and how much of it was asked for at a time."""

    def __init__(self, count: int, output: Payload = NULL) -> None:
        self.events: list[Event] = []
        self.output = output
        self.limits: list[int] = []
        self.grow(count)

    def grow(self, count: int) -> None:
        first = len(self.events) + 1
        self.events += [
            NodeCompleted(sequence, Micros(0), 0, 1, self.output, "w", None)
            for sequence in range(first, first + count)
        ]

    async def read(self, key: ExecutionKey, *, after: int, limit: int) -> Sequence[Event]:
        assert key == KEY
        self.limits.append(limit)
        await asyncio.sleep(0)
        return self.events[after : after + limit]

    async def newest(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, int]:
        raise NotImplementedError

    async def read_many(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, Sequence[Event]]:
        raise NotImplementedError

    async def read_new(
        self, positions: Mapping[ExecutionKey, int], *, limit: int
    ) -> Mapping[ExecutionKey, Sequence[Event]]:
        raise NotImplementedError

    async def news(self, position: tuple[ExecutionKey, int]) -> Sequence[Event]:
        return await self.read(position[0], after=position[1], limit=NEWS)

    async def append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        raise NotImplementedError


async def follow(feed: EventFeed, position: int, end: int) -> list[int]:
    seen = []
    while position < end:
        for event in await feed.next(position):
            position = event.sequence
            seen.append(position)
    return seen


async def test_everything_once_and_in_order_wherever_a_watcher_stands() -> None:
    histories = Histories(1_000)
    feed = EventFeed(KEY, histories, histories.news)
    feed.reach(600)
    feed.hint(1_000)
    whole = await asyncio.gather(*(follow(feed, start, 1_000) for start in (0, 1, 599, 600, 601, 999)))
    assert whole == [list(range(start + 1, 1_001)) for start in (0, 1, 599, 600, 601, 999)]


async def test_a_hint_is_enough() -> None:
    histories = Histories(1)
    feed = EventFeed(KEY, histories, histories.news)
    assert await follow(feed, 0, 1) == [1]
    waiting = asyncio.ensure_future(follow(feed, 1, 700))
    await asyncio.sleep(0)
    histories.grow(699)
    feed.hint(700)
    assert await waiting == list(range(2, 701))


async def test_a_hint_of_what_is_not_there_is_looked_at_once() -> None:
    histories = Histories(1)
    feed = EventFeed(KEY, histories, histories.news)
    await follow(feed, 0, 1)
    feed.hint(99)
    waiting = asyncio.ensure_future(feed.next(1))
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(histories.limits) == 2
    feed.close()
    assert await waiting == ()


async def test_one_read_serves_all_who_wait() -> None:
    histories = Histories(0)
    feed = EventFeed(KEY, histories, histories.news)
    waiting = [asyncio.ensure_future(follow(feed, 0, 3)) for _ in range(50)]
    for _ in range(10):
        await asyncio.sleep(0)
    reads = len(histories.limits)
    histories.grow(3)
    feed.hint(3)
    assert await asyncio.gather(*waiting) == [[1, 2, 3]] * 50
    assert (reads, len(histories.limits)) == (1, 2)


async def test_heavy_events_are_read_in_smaller_pages() -> None:
    histories = Histories(300, Payload(bytes(100_000)))
    feed = EventFeed(KEY, histories, histories.news)
    await follow(feed, 0, 300)
    assert histories.limits[:2] == [NEWS, 256]
    assert max(histories.limits[5:]) <= 32


async def test_who_comes_after_the_end_is_not_kept() -> None:
    histories = Histories(0)
    feed = EventFeed(KEY, histories, histories.news)
    feed.close()
    assert await feed.next(0) == ()


async def test_a_history_that_was_deleted_meanwhile_ends_the_watch() -> None:
    histories = Histories(10)
    feed = EventFeed(KEY, histories, histories.news)
    feed.reach(10)
    histories.events.clear()
    with pytest.raises(StoreUnavailable):
        await feed.next(5)
