from __future__ import annotations

import asyncio

from flowmesh_core.adapters.feed import Feed


async def test_items_come_in_order() -> None:
    feed = Feed[int](10)
    for item in range(3):
        feed.put(item)
    assert [await feed.get() for _ in range(3)] == [0, 1, 2]


async def test_get_waits_for_an_item() -> None:
    feed = Feed[int](10)
    getting = asyncio.ensure_future(feed.get())
    await asyncio.sleep(0)
    assert not getting.done()
    feed.put(1)
    assert await getting == 1


async def test_a_full_feed_drops_the_oldest_and_says_so_once() -> None:
    feed = Feed[int](2)
    for item in range(5):
        feed.put(item)
    assert [await feed.get() for _ in range(3)] == [None, 3, 4]
    feed.put(5)
    assert await feed.get() == 5


async def test_what_was_missed_is_told_even_when_nothing_follows() -> None:
    feed = Feed[int](2)
    feed.miss()
    assert await feed.get() is None
    getting = asyncio.ensure_future(feed.get())
    await asyncio.sleep(0)
    assert not getting.done()
    getting.cancel()
    await asyncio.wait([getting])
