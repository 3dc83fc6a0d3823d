"""The contract of HistoryStore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flowmesh_core.domain import events
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.states import ExecutionStatus, FailureSource
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.history_store import HistoryConflict, OwnershipLost
from flowmesh_core.ports.membership import PartitionLease
from tests.contract.stores import NOW, PARTITIONS, batch, new_execution

if TYPE_CHECKING:
    from flowmesh_core.ports.execution_store import ExecutionRecord
    from tests.contract.stores import Stores

KEY = ExecutionKey("default", "e1")
OTHER = ExecutionKey("default", "e2")


def started(sequence: int = 1) -> events.Event:
    return events.ExecutionStarted(sequence, NOW)


def scheduled(sequence: int, node: int = 0) -> events.Event:
    return events.NodeScheduled(sequence, NOW, node, 1)


class Owner:
    """A member that owns every partition."""

    def __init__(self, stores: Stores, leases: dict[int, PartitionLease]) -> None:
        self.stores = stores
        self.leases = leases

    async def append(self, key: ExecutionKey, *written: events.Event) -> None:
        lease = self.leases[partition_of(key, PARTITIONS)]
        await self.stores.history.append("owner", [lease], [batch(key, *written)])

    async def record(self, key: ExecutionKey) -> ExecutionRecord:
        record = await self.stores.executions.get(key)
        assert record is not None
        return record


@pytest.fixture
async def owner(stores: Stores) -> Owner:
    return Owner(stores, await stores.owner())


async def test_events_are_read_as_they_were_written(owner: Owner) -> None:
    failure = Failure("E", "m", FailureSource.TIMEOUT, Payload(b"{}"), "a")
    written = (
        started(),
        scheduled(2),
        events.NodeCompleted(3, Micros(NOW + 1), 0, 1, Payload(b"\x00", "x/y", (("a", "b"),)), "w", None),
        events.ExecutionFailed(4, Micros(NOW - 1), failure),
    )
    await owner.append(KEY, *written[:3])
    await owner.append(KEY, written[3])
    assert await owner.stores.history.read(KEY, after=0, limit=100) == list(written)
    assert await owner.stores.history.read_many([KEY]) == {KEY: list(written)}


async def test_a_page_has_at_least_the_limit_and_resumes_anywhere(owner: Owner) -> None:
    for first in (1, 4, 7, 10):
        await owner.append(KEY, *(scheduled(first + offset) for offset in range(3)))

    async def page(after: int, limit: int) -> list[int]:
        return [each.sequence for each in await owner.stores.history.read(KEY, after=after, limit=limit)]

    assert await page(0, 1) == [1, 2, 3]
    assert await page(0, 3) == [1, 2, 3]
    assert await page(0, 4) == [1, 2, 3, 4, 5, 6]
    assert await page(2, 1) == [3]
    assert await page(2, 2) == [3, 4, 5, 6]
    assert await page(11, 5) == [12]
    assert await page(12, 5) == []
    assert await page(99, 5) == []


async def test_histories_are_apart_and_missing_ones_are_left_out(owner: Owner) -> None:
    lookalike = ExecutionKey("other", KEY.execution_id)
    await owner.append(KEY, started())
    await owner.append(OTHER, started(), scheduled(2))
    assert await owner.stores.history.read(lookalike, after=0, limit=9) == []
    found = await owner.stores.history.read_many([KEY, OTHER, lookalike])
    assert {key: len(history) for key, history in found.items()} == {KEY: 1, OTHER: 2}
    assert await owner.stores.history.read_many([]) == {}
    assert await owner.stores.history.newest([KEY, OTHER, lookalike]) == {KEY: 1, OTHER: 2}
    assert await owner.stores.history.newest([]) == {}


async def test_news_are_the_pages_of_many_histories(owner: Owner) -> None:
    for first in (1, 4, 7):
        await owner.append(KEY, *(scheduled(first + offset) for offset in range(3)))
    await owner.append(OTHER, started(), scheduled(2))
    unknown = ExecutionKey("default", "unknown")

    async def news(positions: dict[ExecutionKey, int], limit: int) -> dict[ExecutionKey, list[int]]:
        found = await owner.stores.history.read_new(positions, limit=limit)
        return {key: [each.sequence for each in page] for key, page in found.items()}

    assert await news({KEY: 0, OTHER: 0, unknown: 0}, 1) == {KEY: [1, 2, 3], OTHER: [1, 2]}
    assert await news({KEY: 4, OTHER: 1}, 2) == {KEY: [5, 6], OTHER: [2]}
    assert await news({KEY: 4}, 3) == {KEY: [5, 6, 7, 8, 9]}
    assert await news({KEY: 9, OTHER: 99}, 5) == {}
    assert await news({}, 5) == {}


async def test_one_append_takes_many_executions_and_many_batches_of_one(owner: Owner) -> None:
    leases = {partition_of(key, PARTITIONS) for key in (KEY, OTHER)}
    batches = [batch(KEY, started()), batch(OTHER, started()), batch(KEY, scheduled(2), scheduled(3))]
    await owner.stores.history.append("owner", [owner.leases[each] for each in leases], batches)
    found = await owner.stores.history.read_many([KEY, OTHER])
    assert [each.sequence for each in found[KEY]] == [1, 2, 3]
    assert [each.sequence for each in found[OTHER]] == [1]


async def test_a_stale_epoch_writes_nothing_and_names_the_partition(owner: Owner) -> None:
    await owner.stores.executions.create([new_execution("e1"), new_execution("e2")])
    mine, lost = (owner.leases[partition_of(key, PARTITIONS)] for key in (KEY, OTHER))
    assert mine != lost
    await owner.stores.membership.release("owner", [lost])
    await owner.stores.membership.acquire(await owner.stores.member("thief"), 1)
    with pytest.raises(OwnershipLost) as caught:
        await owner.stores.history.append(
            "owner", [mine, lost], [batch(KEY, started()), batch(OTHER, started())]
        )
    assert caught.value.partitions == {lost.partition}
    assert await owner.stores.history.read_many([KEY, OTHER]) == {}
    assert (await owner.record(KEY)).status is ExecutionStatus.PENDING


async def test_a_released_lease_and_another_members_lease_write_nothing(owner: Owner) -> None:
    lease = owner.leases[partition_of(KEY, PARTITIONS)]
    with pytest.raises(OwnershipLost):
        await owner.stores.history.append("someone", [lease], [batch(KEY, started())])
    await owner.stores.membership.release("owner", [lease])
    with pytest.raises(OwnershipLost):
        await owner.append(KEY, started())
    with pytest.raises(OwnershipLost):
        await owner.stores.history.append("owner", [PartitionLease(4711, 1)], [batch(KEY, started())])


async def test_a_taken_sequence_writes_nothing(owner: Owner) -> None:
    await owner.append(KEY, started())
    leases = [owner.leases[each] for each in {partition_of(key, PARTITIONS) for key in (KEY, OTHER)}]
    with pytest.raises(HistoryConflict):
        await owner.stores.history.append("owner", leases, [batch(OTHER, started()), batch(KEY, started())])
    assert list(await owner.stores.history.read_many([KEY, OTHER])) == [KEY]


async def test_the_record_follows_the_events(owner: Owner) -> None:
    await owner.stores.executions.create([new_execution("e1")])
    failure = Failure("E", "m", FailureSource.HANDLER, None, "a")
    await owner.append(KEY, started(), scheduled(2))
    running = await owner.record(KEY)
    assert (running.status, running.started_at, running.closed_at) == (ExecutionStatus.RUNNING, NOW, None)
    await owner.append(KEY, events.ExecutionCancelRequested(3, Micros(NOW + 1), "r", Micros(NOW + 9)))
    assert (await owner.record(KEY)).status is ExecutionStatus.CANCELLING
    await owner.append(KEY, scheduled(4))
    await owner.append(KEY, events.ExecutionFailed(5, Micros(NOW + 7), failure))
    closed = await owner.record(KEY)
    assert (closed.status, closed.started_at, closed.closed_at, closed.failure) == (
        ExecutionStatus.FAILED,
        NOW,
        Micros(NOW + 7),
        failure,
    )


async def test_one_batch_may_start_and_end_an_execution(owner: Owner) -> None:
    await owner.stores.executions.create([new_execution("e1"), new_execution("e2")])
    await owner.append(KEY, started(), events.ExecutionCompleted(2, Micros(NOW + 3)))
    done = await owner.record(KEY)
    assert (done.status, done.started_at, done.closed_at) == (ExecutionStatus.COMPLETED, NOW, Micros(NOW + 3))
    await owner.append(OTHER, events.ExecutionCancelled(1, NOW, "r"))
    cancelled = await owner.record(OTHER)
    assert (cancelled.status, cancelled.started_at) == (ExecutionStatus.CANCELLED, None)


async def test_a_lease_named_twice_counts_once(owner: Owner) -> None:
    lease = owner.leases[partition_of(KEY, PARTITIONS)]
    await owner.stores.history.append("owner", [lease, lease], [batch(KEY, started())])
    assert len(await owner.stores.history.read(KEY, after=0, limit=9)) == 1


async def test_nothing_to_append_is_nothing(owner: Owner) -> None:
    await owner.stores.history.append("owner", [], [])


async def test_a_very_large_row_is_one_append(owner: Owner) -> None:
    written = [scheduled(sequence + 1, sequence) for sequence in range(100_000)]
    await owner.append(KEY, *written)
    assert await owner.stores.history.read(KEY, after=99_998, limit=5) == written[99_998:]
