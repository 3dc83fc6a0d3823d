"""The contract of WorkflowStore."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.domain.errors import IdempotencyMismatch
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_core.ports.workflow_store import VersionPosition
from tests.contract.stores import NOW, WORKFLOW

if TYPE_CHECKING:
    from flowmesh_core.ports.workflow_store import RegisterResult
    from tests.contract.stores import Stores


async def register(
    stores: Stores, name: str, digest: str, *, at: int = NOW, request_id: str = "", namespace: str = "default"
) -> RegisterResult:
    workflow = Workflow(name, (Node("a", "h"),))
    return await stores.workflows.register(namespace, workflow, digest, Micros(at), request_id=request_id)


async def test_content_is_stored_whole(stores: Stores) -> None:
    policy = RetryPolicy(Micros(5), 1.5, Micros(9), 7, ("E", "F"), Jitter.NONE, 2)
    node = Node("n", "h", ("a", "b"), Payload(b"{}"), "a.x", policy, Timeouts(Micros(3), Micros(1)))
    workflow = Workflow("wf", (*WORKFLOW.nodes, node))
    await stores.workflows.register("default", workflow, "d", NOW)
    wanted = [("default", "d"), ("default", "other"), ("other", "d")]
    assert await stores.workflows.definitions(wanted) == {("default", "d"): workflow}
    assert await stores.workflows.definitions([]) == {}


async def test_new_content_is_a_new_version_and_the_same_is_the_same(stores: Stores) -> None:
    first = await register(stores, "wf", "d1")
    assert (first.version.version, first.existed, first.version.created_at) == (1, False, NOW)
    again = await register(stores, "wf", "d1", at=NOW + 5)
    assert (again.version, again.existed) == (first.version, True)
    assert (await register(stores, "wf", "d2")).version.version == 2
    back = await register(stores, "wf", "d1")
    assert (back.version.version, back.existed) == (3, False)
    assert (await register(stores, "wf", "d1", namespace="other")).version.version == 1


async def test_versions_are_found(stores: Stores) -> None:
    first, second = await register(stores, "wf", "d1"), await register(stores, "wf", "d2")
    assert await stores.workflows.get_version("default", "wf", 1) == first.version
    assert await stores.workflows.get_version("default", "wf", 0) == second.version
    assert await stores.workflows.get_version("default", "wf", 3) is None
    assert await stores.workflows.get_version("default", "nobody", 0) is None
    assert await stores.workflows.get_version("other", "wf", 1) is None


async def test_concurrent_registrations_make_versions_without_gaps(stores: Stores) -> None:
    results = await asyncio.gather(*(register(stores, "wf", f"d{number}") for number in range(12)))
    assert sorted(result.version.version for result in results) == list(range(1, 13))
    assert not any(result.existed for result in results)


async def test_concurrent_registrations_of_one_content_make_one_version(stores: Stores) -> None:
    results = await asyncio.gather(*(register(stores, "wf", "d") for _ in range(12)))
    assert {result.version.version for result in results} == {1}
    assert sum(not result.existed for result in results) == 1


async def test_a_repeated_request_gets_the_first_answer(stores: Stores) -> None:
    first = await register(stores, "wf", "d1", request_id="r")
    await register(stores, "wf", "d2")
    assert await register(stores, "wf", "d1", request_id="r", at=NOW + 5) == first
    known = await register(stores, "wf", "d2", request_id="r2")
    assert known.existed
    assert await register(stores, "wf", "d2", request_id="r2") == known
    assert await stores.workflows.get_version("default", "wf", 3) is None


async def test_a_request_id_with_other_content_is_refused(stores: Stores) -> None:
    await register(stores, "wf", "d1", request_id="r")
    with pytest.raises(IdempotencyMismatch):
        await register(stores, "wf", "d2", request_id="r")
    with pytest.raises(IdempotencyMismatch):
        await register(stores, "wf2", "d1", request_id="r")
    assert await stores.workflows.get_version("default", "wf", 2) is None
    await register(stores, "wf", "d9", request_id="r", namespace="other")


async def test_the_same_request_at_once_registers_once(stores: Stores) -> None:
    results = await asyncio.gather(*(register(stores, "wf", "d", request_id="r") for _ in range(8)))
    assert len({result.version for result in results}) == 1
    assert not any(result.existed for result in results)


async def test_different_content_under_one_request_at_once_registers_one(stores: Stores) -> None:
    calls = (register(stores, "wf", f"d{number}", request_id="r") for number in range(6))
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [result for result in results if isinstance(result, IdempotencyMismatch)]
    assert len(refused) == 5
    assert await stores.workflows.get_version("default", "wf", 2) is None


async def test_lists_are_ordered_and_paged(stores: Stores) -> None:
    for name in ("b", "a", "B"):
        await register(stores, name, "d1")
        await register(stores, name, "d2")
    await register(stores, "c", "d1", namespace="other")
    everything = await stores.workflows.list_versions("default", name="", after=None, limit=99)
    places = [(each.name, each.version) for each in everything]
    assert places == [("B", 1), ("B", 2), ("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    page = await stores.workflows.list_versions("default", name="", after=VersionPosition("a", 1), limit=2)
    assert [(each.name, each.version) for each in page] == [("a", 2), ("b", 1)]
    only = await stores.workflows.list_versions("default", name="a", after=None, limit=99)
    assert [each.version for each in only] == [1, 2]
