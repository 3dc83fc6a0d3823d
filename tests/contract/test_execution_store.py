"""The contract of ExecutionStore."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.domain import events
from flowmesh_core.domain.errors import WorkflowNotFound
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.execution_store import (
    CreateResult,
    CreateStatus,
    ExecutionFilter,
    ListPosition,
    PendingKey,
)
from tests.contract.stores import NOW, PARTITIONS, WORKFLOW, batch, new_execution

if TYPE_CHECKING:
    from flowmesh_core.ports.execution_store import NewExecution
    from tests.contract.stores import Stores

CREATED, REPLAYED = CreateStatus.CREATED, CreateStatus.REPLAYED
REQUEST_MISMATCH, EXECUTION_EXISTS = CreateStatus.REQUEST_MISMATCH, CreateStatus.EXECUTION_EXISTS


def key(execution_id: str, namespace: str = "default") -> ExecutionKey:
    return ExecutionKey(namespace, execution_id)


async def create(stores: Stores, *executions: NewExecution) -> list[tuple[CreateStatus, str]]:
    results = await stores.executions.create(executions)
    return [(result.status, result.key.execution_id) for result in results]


async def close(stores: Stores, *execution_ids: str, at: int = NOW) -> None:
    leases = await stores.owner("closer")
    for each in execution_ids:
        lease = leases[partition_of(key(each), PARTITIONS)]
        done = (events.ExecutionStarted(1, NOW), events.ExecutionCompleted(2, Micros(at)))
        await stores.history.append("closer", [lease], [batch(key(each), *done)])


async def test_what_is_accepted_can_be_read(stores: Stores) -> None:
    new = new_execution("e1", request_id="r1", labels={"team": "ümläut", "n": "1"})
    assert await stores.executions.create([new]) == [CreateResult(CREATED, new.key)]
    record = await stores.executions.get(new.key)
    assert record is not None
    assert (record.key, record.partition, record.input) == (new.key, new.partition, new.input)
    assert (record.workflow_name, record.workflow_version, record.workflow_digest) == ("wf", 0, "w1")
    assert (record.labels, record.traceparent) == (new.labels, new.traceparent)
    assert (record.status, record.created_at) == (ExecutionStatus.PENDING, NOW)
    assert (record.started_at, record.closed_at, record.failure) == (None, None, None)
    assert await stores.workflows.definitions([("default", "w1")]) == {("default", "w1"): WORKFLOW}


async def test_nothing_is_nothing(stores: Stores) -> None:
    assert await create(stores) == []
    assert await stores.executions.get(key("none")) is None
    assert await stores.executions.get_many([]) == []


async def test_many_records_are_read_at_once(stores: Stores) -> None:
    await create(stores, new_execution("a"), new_execution("b"), new_execution("c"))
    found = await stores.executions.get_many([key("a"), key("c"), key("nobody"), key("a", "other")])
    assert {record.key for record in found} == {key("a"), key("c")}


async def test_a_repeated_request_gets_the_first_answer(stores: Stores) -> None:
    assert await create(stores, new_execution("e1", request_id="r")) == [(CREATED, "e1")]
    assert await create(stores, new_execution("e2", request_id="r")) == [(REPLAYED, "e1")]
    assert await stores.executions.get(key("e2")) is None


async def test_a_request_id_with_other_content_is_refused(stores: Stores) -> None:
    await create(stores, new_execution("e1", request_id="r"))
    other = new_execution("e2", request_id="r", digest="d2")
    assert await create(stores, other) == [(REQUEST_MISMATCH, "e1")]
    assert await stores.executions.get(key("e2")) is None


async def test_request_ids_are_apart_by_namespace(stores: Stores) -> None:
    await create(stores, new_execution("e1", request_id="r"))
    other = new_execution("e1", request_id="r", digest="d2", namespace="other")
    assert await create(stores, other) == [(CREATED, "e1")]


async def test_an_execution_id_stands_for_its_content(stores: Stores) -> None:
    await create(stores, new_execution("e1", request_id="r1"))
    assert await create(stores, new_execution("e1")) == [(REPLAYED, "e1")]
    assert await create(stores, new_execution("e1", request_id="r2")) == [(REPLAYED, "e1")]
    assert await create(stores, new_execution("e1", digest="d2")) == [(EXECUTION_EXISTS, "e1")]
    assert await create(stores, new_execution("e1", request_id="r3", digest="d2")) == [
        (EXECUTION_EXISTS, "e1")
    ]


async def test_a_request_that_met_a_taken_id_is_answered_the_same_again(stores: Stores) -> None:
    await create(stores, new_execution("e1"))
    refused = new_execution("e1", request_id="r", digest="d2")
    assert await create(stores, refused) == [(EXECUTION_EXISTS, "e1")]
    assert await create(stores, refused) == [(EXECUTION_EXISTS, "e1")]
    assert await create(stores, new_execution("e9", request_id="r")) == [(REQUEST_MISMATCH, "e1")]


async def test_a_second_request_for_the_same_execution_is_remembered(stores: Stores) -> None:
    await create(stores, new_execution("e1", request_id="r1"))
    await create(stores, new_execution("e1", request_id="r2"))
    other = new_execution("e2", request_id="r2", digest="d2")
    assert await create(stores, other) == [(REQUEST_MISMATCH, "e1")]


async def test_items_of_one_call_may_repeat_each_other(stores: Stores) -> None:
    assert await create(
        stores,
        new_execution("b", request_id="r1"),
        new_execution("a", request_id="r1"),
        new_execution("c", request_id="r1", digest="d2"),
        new_execution("b"),
        new_execution("b", digest="d3"),
        new_execution("d"),
        new_execution("d"),
        new_execution("b", request_id="r1"),
    ) == [
        (CREATED, "b"),
        (REPLAYED, "b"),
        (REQUEST_MISMATCH, "b"),
        (REPLAYED, "b"),
        (EXECUTION_EXISTS, "b"),
        (CREATED, "d"),
        (REPLAYED, "d"),
        (REPLAYED, "b"),
    ]


async def test_an_item_refused_for_its_request_leaves_its_id_to_the_next(stores: Stores) -> None:
    await create(stores, new_execution("e1", request_id="r"))
    assert await create(
        stores, new_execution("e2", request_id="r", digest="d2"), new_execution("e2", digest="d2")
    ) == [(REQUEST_MISMATCH, "e1"), (CREATED, "e2")]


async def test_each_item_of_a_call_is_decided_by_itself(stores: Stores) -> None:
    await create(stores, new_execution("e1", request_id="r1"))
    assert await create(
        stores,
        new_execution("e2"),
        new_execution("e1", digest="d2"),
        new_execution("e3", request_id="r1", digest="d2"),
        new_execution("e4", request_id="r4"),
    ) == [(CREATED, "e2"), (EXECUTION_EXISTS, "e1"), (REQUEST_MISMATCH, "e1"), (CREATED, "e4")]


async def test_a_large_call_is_accepted(stores: Stores) -> None:
    results = await create(
        stores, *(new_execution(f"e{number}", request_id=f"r{number}") for number in range(2000))
    )
    assert results == [(CREATED, f"e{number}") for number in range(2000)]


async def test_the_same_calls_at_once_are_accepted_once(stores: Stores) -> None:
    ascending = [new_execution(f"e{number}", request_id=f"r{number}") for number in range(50)]
    descending = [new_execution(f"x{number}", request_id=f"r{number}") for number in reversed(range(50))]
    by_id = [new_execution(f"e{number}") for number in reversed(range(50))]
    calls = [ascending, descending, by_id] * 4
    answers = await asyncio.gather(*(stores.executions.create(call) for call in calls))
    results = [
        (new.request_id, result)
        for call, each in zip(calls, answers, strict=True)
        for new, result in zip(call, each, strict=True)
    ]
    created = [result.key for _, result in results if result.status is CREATED]
    assert len(created) == len(set(created))
    assert {result.status for _, result in results} == {CREATED, REPLAYED}
    for number in range(50):
        assert len({result.key for request, result in results if request == f"r{number}"}) == 1


async def test_a_stored_definition_need_not_be_given_again(stores: Stores) -> None:
    await create(stores, new_execution("e1"))
    assert await create(stores, new_execution("e2", workflow=None)) == [(CREATED, "e2")]
    assert await create(stores, new_execution("e3", namespace="b"), new_execution("e4", workflow=None)) == [
        (CREATED, "e3"),
        (CREATED, "e4"),
    ]


async def test_a_definition_given_once_in_a_call_serves_the_whole_call(stores: Stores) -> None:
    results = await create(stores, new_execution("e1", workflow=None), new_execution("e2"))
    assert results == [(CREATED, "e1"), (CREATED, "e2")]


async def test_an_unknown_definition_refuses_the_call(stores: Stores) -> None:
    with pytest.raises(WorkflowNotFound) as caught:
        await create(
            stores,
            new_execution("e1", namespace="other", request_id="r"),
            new_execution("e2", workflow=None),
        )
    assert caught.value.metadata == {"digest": "w1"}
    assert await stores.executions.get(key("e1", "other")) is None
    assert await stores.workflows.definitions([("other", "w1")]) == {}


async def ids(stores: Stores, query: ExecutionFilter) -> list[str]:
    page = await stores.executions.list(query, after=None, limit=100)
    return [record.key.execution_id for record in page]


async def test_lists_are_newest_first_and_paged_without_gaps(stores: Stores) -> None:
    await create(stores, *(new_execution(f"e{n}", created_at=NOW + n // 3) for n in range(10)))
    await create(stores, new_execution("foreign", namespace="other"))
    seen: list[str] = []
    after: ListPosition | None = None
    for _ in range(4):
        page = await stores.executions.list(ExecutionFilter("default"), after=after, limit=3)
        seen += [record.key.execution_id for record in page]
        after = ListPosition(page[-1].created_at, page[-1].key.execution_id)
        assert all(record.input == NULL for record in page)
    assert seen == [f"e{n}" for n in reversed(range(10))]
    assert await stores.executions.list(ExecutionFilter("default"), after=after, limit=3) == []


async def test_lists_are_filtered(stores: Stores) -> None:
    await create(
        stores,
        new_execution("a", labels={"team": "x", "env": "prod"}, created_at=NOW),
        new_execution("b", labels={"team": "x"}, created_at=NOW + 1),
        new_execution("c", created_at=NOW + 2),
    )
    await close(stores, "b")
    assert await ids(stores, ExecutionFilter("default", labels={"team": "x"})) == ["b", "a"]
    assert await ids(stores, ExecutionFilter("default", labels={"team": "x", "env": "prod"})) == ["a"]
    assert await ids(stores, ExecutionFilter("default", workflow_name="wf")) == ["c", "b", "a"]
    assert await ids(stores, ExecutionFilter("default", workflow_name="w")) == []
    pending = frozenset({ExecutionStatus.PENDING})
    assert await ids(stores, ExecutionFilter("default", statuses=pending)) == ["c", "a"]
    between = ExecutionFilter("default", created_after=Micros(NOW + 1), created_before=Micros(NOW + 2))
    assert await ids(stores, between) == ["b"]
    closed = frozenset({ExecutionStatus.COMPLETED, ExecutionStatus.FAILED})
    together = ExecutionFilter("default", "wf", closed, {"team": "x"}, NOW, Micros(NOW + 5))
    assert await ids(stores, together) == ["b"]


async def test_open_executions_are_those_that_began_and_did_not_end(stores: Stores) -> None:
    await create(stores, *(new_execution(each) for each in ("pending", "running", "cancelling", "closed")))
    await close(stores, "closed")
    leases = {lease.partition: lease for lease in await stores.membership.owned("closer")}
    for each in ("running", "cancelling"):
        lease = leases[partition_of(key(each), PARTITIONS)]
        begun = batch(key(each), events.ExecutionStarted(1, NOW))
        await stores.history.append("closer", [lease], [begun])
    lease = leases[partition_of(key("cancelling"), PARTITIONS)]
    cancelled = batch(key("cancelling"), events.ExecutionCancelRequested(2, NOW, "", NOW))
    await stores.history.append("closer", [lease], [cancelled])
    assert set(await stores.executions.open_keys(range(PARTITIONS))) == {key("running"), key("cancelling")}
    mine = partition_of(key("running"), PARTITIONS)
    assert key("running") in await stores.executions.open_keys([mine])
    assert key("running") not in await stores.executions.open_keys(set(range(PARTITIONS)) - {mine})


async def test_pending_executions_are_found_oldest_first(stores: Stores) -> None:
    await create(stores, *(new_execution(f"e{n}", created_at=NOW - n) for n in range(5)))
    await close(stores, "e4")
    found = await stores.executions.pending_keys(NOW, 2)
    assert found == [
        PendingKey(Micros(NOW - n), partition_of(key(f"e{n}"), PARTITIONS), key(f"e{n}")) for n in (3, 2)
    ]
    assert len(await stores.executions.pending_keys(NOW, 99)) == 3


async def test_pending_executions_are_read_on_from_a_place(stores: Stores) -> None:
    at_once = [new_execution(f"e{n}", namespace=ns, created_at=NOW - 1) for n in (2, 1, 3) for ns in "ba"]
    await create(stores, *at_once, new_execution("e0", created_at=NOW - 2), new_execution("e4"))
    found: list[PendingKey] = []
    while page := await stores.executions.pending_keys(Micros(NOW + 1), 2, found[-1] if found else None):
        assert len(page) == 2
        found += page
    same_moment = [key(f"e{n}", ns) for ns in "ab" for n in (1, 2, 3)]
    assert [each.key for each in found] == [key("e0"), *same_moment, key("e4")]
    await close(stores, "e0")
    assert await stores.executions.pending_keys(NOW, 99, found[0]) == found[1:-1], "it is pending no more"


async def test_old_closed_executions_are_removed_with_all_that_is_theirs(stores: Stores) -> None:
    await create(
        stores,
        new_execution("old", request_id="r1"),
        new_execution("older", request_id="r2"),
        new_execution("recent", request_id="r3"),
        new_execution("open", request_id="r4"),
    )
    await close(stores, "old", "older", "recent")
    assert await stores.executions.delete_closed(NOW, 10) == 0
    await create(stores, new_execution("late"))
    assert await stores.executions.delete_closed(Micros(NOW + 1), 2) == 2
    assert await stores.executions.delete_closed(Micros(NOW + 1), 2) == 1
    assert set(await ids(stores, ExecutionFilter("default"))) == {"open", "late"}
    assert await stores.history.read_many([key("old"), key("older")]) == {}
    fresh = new_execution("new", request_id="r1", digest="d2")
    assert await create(stores, fresh) == [(CREATED, "new")]
    assert await create(stores, new_execution("x", request_id="r4")) == [(REPLAYED, "open")]


async def test_a_request_id_stands_for_one_operation_until_its_execution_is_removed(stores: Stores) -> None:
    claim = stores.executions.claim_request
    await create(stores, new_execution("a"), new_execution("b", request_id="r1"))
    assert await claim(key("a"), "CancelExecution", "r1", "d1", NOW)
    assert await claim(key("a"), "CancelExecution", "r1", "d1", NOW)
    assert not await claim(key("b"), "CancelExecution", "r1", "d2", NOW)
    await close(stores, "a")
    assert await stores.executions.delete_closed(Micros(NOW + 1), 10) == 1
    assert await claim(key("b"), "CancelExecution", "r1", "d2", NOW)
