"""The contracts of AuditStore and TransportAudit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.domain import events
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.ports.audit import SubmissionRequest
from flowmesh_core.ports.outbox import Outgoing
from tests.contract.stores import NOW, PARTITIONS, batch, new_execution
from tests.contract.transports import command, task

if TYPE_CHECKING:
    from flowmesh_core.ports.membership import PartitionLease
    from tests.contract.stores import Stores
    from tests.contract.transports import Transport

KEYS = [ExecutionKey("default", f"e{number}") for number in range(3)]


async def append(stores: Stores, leases: dict[int, PartitionLease], key: ExecutionKey, sequence: int) -> None:
    lease = leases[partition_of(key, PARTITIONS)]
    event = events.ExecutionStarted(sequence, NOW)
    await stores.history.append("owner", [lease], [batch(key, event)])


async def test_records_and_rows_come_by_key(stores: Stores) -> None:
    leases = await stores.owner()
    await stores.executions.create([new_execution(key.execution_id) for key in reversed(KEYS)])
    await append(stores, leases, KEYS[1], 1)
    await append(stores, leases, KEYS[1], 2)
    await append(stores, leases, KEYS[0], 1)
    stray = ExecutionKey("default", "stray")
    await append(stores, leases, stray, 5)

    async with stores.audit.snapshot() as snapshot:
        records = [record async for record in snapshot.records()]
        rows = [row async for row in snapshot.rows()]

    assert [record.key for record in records] == KEYS
    assert [(row.key, row.first_sequence, row.last_sequence) for row in rows] == [
        (KEYS[0], 1, 1),
        (KEYS[1], 1, 1),
        (KEYS[1], 2, 2),
        (stray, 5, 5),
    ]
    assert list(rows[2].events) == [events.ExecutionStarted(2, NOW)]


async def test_a_snapshot_does_not_change(stores: Stores) -> None:
    leases = await stores.owner()
    await stores.executions.create([new_execution("e0")])
    async with stores.audit.snapshot() as snapshot:
        await stores.executions.create([new_execution("e1")])
        await append(stores, leases, KEYS[0], 1)

        assert [record.key async for record in snapshot.records()] == [KEYS[0]]
        assert [row async for row in snapshot.rows()] == []
        assert await snapshot.last_sequences(KEYS) == {KEYS[0]: 0}


async def test_last_sequences_are_of_known_executions(stores: Stores) -> None:
    leases = await stores.owner()
    await stores.executions.create([new_execution("e0"), new_execution("e1")])
    await append(stores, leases, KEYS[1], 1)
    await append(stores, leases, KEYS[1], 2)

    async with stores.audit.snapshot() as snapshot:
        assert await snapshot.last_sequences(KEYS) == {KEYS[0]: 0, KEYS[1]: 2}


async def test_request_ids_stand_for_executions(stores: Stores) -> None:
    await stores.executions.create([new_execution("e0", request_id="r0")])
    known, unknown = SubmissionRequest("default", "r0"), SubmissionRequest("default", "r1")

    async with stores.audit.snapshot() as snapshot:
        assert await snapshot.answers([known, unknown]) == {known: KEYS[0]}
        assert [request async for request in snapshot.unanswered_requests()] == []


async def test_marks_are_found(transport: Transport) -> None:
    process = transport.process()
    marks = {3: {KEYS[0]: 7, KEYS[1]: 9}, 4: {KEYS[2]: 1}}
    await process.outbox.flush(Outgoing(dispatched=marks))

    found = [item async for page in process.audit.marks() for item in page.items()]

    assert sorted(found) == [(KEYS[0], 7), (KEYS[1], 9), (KEYS[2], 1)]


async def test_backlogs_tell_what_lies_where(transport: Transport) -> None:
    process = transport.process()
    await process.command_log.send([command(1, 0), command(1, 1)])
    await process.outbox.flush(Outgoing(tasks=[task(0), task(1)]))
    await process.task_queue.take("gateway", await process.task_queue.queue_names("default"), 1)

    found = [(each.entries, each.pending) async for each in process.audit.backlogs()]

    assert sorted(found) == [(2, 0), (2, 1)]
