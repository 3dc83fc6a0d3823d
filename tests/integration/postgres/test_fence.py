"""The fence between an owner and its successor, with real sessions at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from flowmesh_core.adapters.postgres.history_store import PostgresHistoryStore
from flowmesh_core.adapters.postgres.pool import open_pool
from flowmesh_core.domain import events
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.ports.history_store import AppendOutcomeUnknown, HistoryConflict, OwnershipLost
from tests.contract.stores import NOW, PARTITIONS, batch

if TYPE_CHECKING:
    from asyncpg.transaction import Transaction

    from flowmesh_core.ports.membership import PartitionLease
    from tests.contract.stores import Stores
    from tests.integration.postgres.conftest import Session

ErrorT = TypeVar("ErrorT", bound=Exception)

KEY = ExecutionKey("default", "e1")
PARTITION = partition_of(KEY, PARTITIONS)
STARTED = events.ExecutionStarted(1, NOW)
OCCUPY = """
INSERT INTO flowmesh.history (namespace, execution_id, first_sequence, last_sequence, schema_version, body)
VALUES ('default', 'e1', 1, 1, 1, '')
"""
WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'flowmesh'
"""


@pytest.fixture
async def blocker(session: Session) -> Transaction:
    """A transaction that holds the place of the first row: whoever appends it waits for its end."""
    transaction = session.transaction()
    await transaction.start()
    await session.execute(OCCUPY)
    return transaction


async def append(stores: Stores, lease: PartitionLease) -> None:
    await stores.history.append("owner", [lease], [batch(KEY, STARTED)])


async def fail_to_append(stores: Stores, lease: PartitionLease, error: type[ErrorT]) -> ErrorT:
    with pytest.raises(error) as caught:
        await append(stores, lease)
    return caught.value


async def until_waiting(observer: Session) -> int:
    """Return the process of the store's session once it waits for a lock."""
    async with asyncio.timeout(10):
        while True:
            pid = await observer.fetchval(WAITING)
            if pid is not None:
                return int(pid)


async def test_a_takeover_passes_an_append_in_flight_by(
    stores: Stores, blocker: Transaction, observer: Session
) -> None:
    lease = (await stores.owner())[PARTITION]
    async with asyncio.TaskGroup() as group:
        appending = group.create_task(append(stores, lease))
        await until_waiting(observer)
        await stores.expire("owner")
        taken = await stores.membership.acquire(await stores.member("thief"), PARTITIONS)
        assert [each.partition for each in taken] == [each for each in range(PARTITIONS) if each != PARTITION]
        await blocker.rollback()
        await appending
    (late,) = await stores.membership.acquire("thief", PARTITIONS)
    assert (late.partition, late.epoch) == (PARTITION, lease.epoch + 1)
    assert await stores.history.read(KEY, after=0, limit=9) == [STARTED]


async def test_an_append_that_waited_for_a_takeover_writes_nothing(
    stores: Stores, session: Session, observer: Session
) -> None:
    lease = (await stores.owner())[PARTITION]
    takeover = session.transaction()
    await takeover.start()
    await session.execute(
        "UPDATE flowmesh.partition SET owner = 'thief', epoch = epoch + 1 WHERE partition = $1", PARTITION
    )
    async with asyncio.TaskGroup() as group:
        appending = group.create_task(fail_to_append(stores, lease, OwnershipLost))
        await until_waiting(observer)
        await takeover.commit()
    assert appending.result().partitions == {PARTITION}
    assert await stores.history.read_many([KEY]) == {}


async def test_an_append_that_waited_for_a_faster_writer_conflicts(
    stores: Stores, blocker: Transaction, observer: Session
) -> None:
    lease = (await stores.owner())[PARTITION]
    async with asyncio.TaskGroup() as group:
        group.create_task(fail_to_append(stores, lease, HistoryConflict))
        await until_waiting(observer)
        await blocker.commit()


async def test_an_append_cut_off_has_an_unknown_outcome(
    stores: Stores, blocker: Transaction, observer: Session
) -> None:
    lease = (await stores.owner())[PARTITION]
    async with asyncio.TaskGroup() as group:
        group.create_task(fail_to_append(stores, lease, AppendOutcomeUnknown))
        await observer.execute("SELECT pg_terminate_backend($1)", await until_waiting(observer))
    await blocker.rollback()
    await append(stores, lease)


async def test_an_append_that_the_server_gave_up_wrote_nothing(
    stores: Stores, blocker: Transaction, migrated_url: str
) -> None:
    lease = (await stores.owner())[PARTITION]
    async with open_pool(migrated_url, statement_timeout=0.1) as pool:
        with pytest.raises(StoreUnavailable, match="statement timeout"):
            await PostgresHistoryStore(pool).append("owner", [lease], [batch(KEY, STARTED)])
    await blocker.rollback()
    assert await stores.history.read_many([KEY]) == {}


async def test_a_release_waits_for_an_append_in_flight(
    stores: Stores, blocker: Transaction, observer: Session
) -> None:
    lease = (await stores.owner())[PARTITION]
    async with asyncio.TaskGroup() as group:
        group.create_task(append(stores, lease))
        await until_waiting(observer)
        releasing = group.create_task(stores.membership.release("owner", [lease]))
        async with asyncio.timeout(10):
            while len(await observer.fetch(WAITING)) < 2:
                pass
        assert not releasing.done()
        await blocker.rollback()
    assert await stores.history.read(KEY, after=0, limit=9) == [STARTED]
    with pytest.raises(OwnershipLost):
        await stores.history.append("owner", [lease], [batch(KEY, events.NodeScheduled(2, NOW, 0, 1))])
