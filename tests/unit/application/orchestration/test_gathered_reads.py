from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from flowmesh_core.application.gathered_reads import GatheredReads
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.undecodable import UnknownSchemaVersion

UNREADABLE = 9


class Store:
    """Answers when told to, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[set[int]] = []
        self.reading = asyncio.Event()
        self.answering = asyncio.Event()
        self.error: Exception | None = None

    async def read_many(self, keys: Collection[int]) -> Mapping[int, str]:
        self.asked.append(set(keys))
        self.reading.set()
        await self.answering.wait()
        if self.error is not None:
            raise self.error
        if UNREADABLE in keys:
            raise UnknownSchemaVersion("version 9")
        return {key: str(key) for key in keys if key > 0}


async def test_what_comes_during_a_statement_goes_into_the_next() -> None:
    store = Store()
    reads = GatheredReads(store.read_many, 10)
    first = asyncio.ensure_future(reads.get(1))
    await store.reading.wait()
    later = [asyncio.ensure_future(reads.get(key)) for key in (2, 3, 3, 1, -1)]
    await asyncio.sleep(0)
    store.answering.set()
    assert await asyncio.gather(first, *later) == ["1", "2", "3", "3", "1", None]
    assert store.asked == [{1}, {2, 3, 1, -1}]


async def test_a_statement_has_a_limit() -> None:
    store = Store()
    store.answering.set()
    reads = GatheredReads(store.read_many, 2)
    assert await asyncio.gather(*map(reads.get, (1, 2, 3))) == ["1", "2", "3"]
    assert store.asked == [{1, 2}, {3}]


async def test_an_error_is_for_those_who_asked_and_a_caller_may_go_away() -> None:
    store = Store()
    reads = GatheredReads(store.read_many, 10)
    gone, failing = asyncio.ensure_future(reads.get(1)), asyncio.ensure_future(reads.get(2))
    await store.reading.wait()
    gone.cancel()
    store.error = StoreUnavailable("away")
    store.answering.set()
    with pytest.raises(StoreUnavailable):
        await failing
    store.error = None
    assert await reads.get(3) == "3"


async def test_what_cannot_be_read_is_an_error_for_who_asked_for_it_alone() -> None:
    store = Store()
    store.answering.set()
    reads = GatheredReads(store.read_many, 10)
    answers = await asyncio.gather(*map(reads.get, (1, 2, UNREADABLE, 3, UNREADABLE)), return_exceptions=True)
    assert [each for each in answers if isinstance(each, str)] == ["1", "2", "3"]
    assert [type(each) for each in answers].count(UnknownSchemaVersion) == 2


async def test_nobody_waits_for_ever_when_it_is_cancelled_while_it_reads_apart() -> None:
    async def read_many(keys: Collection[int]) -> Mapping[int, str]:
        if len(keys) > 1:
            raise UnknownSchemaVersion("version 9")
        raise asyncio.CancelledError

    reads: GatheredReads[int, str] = GatheredReads(read_many, 10)
    answers = await asyncio.gather(reads.get(1), reads.get(2), return_exceptions=True)
    assert [type(each) for each in answers] == [asyncio.CancelledError] * 2
