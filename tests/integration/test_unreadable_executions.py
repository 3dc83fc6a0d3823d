"""Executions that newer code wrote: an owner gives them up, visibly, and goes on with the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.workflow import Node, Workflow

from .owner_cluster import OwnerCluster, chain, owner_cluster

NEWER = "UPDATE flowmesh.history SET schema_version = schema_version + $2 WHERE execution_id = $1"
NEWER_DEFINITION = r"""
UPDATE flowmesh.definition SET body = set_byte(body, 1, get_byte(body, 1) + $2)
WHERE digest = (SELECT workflow_digest FROM flowmesh.execution WHERE execution_id = $1)
"""


@pytest.fixture
async def cluster(database_url: str, redis_url: str) -> AsyncIterator[OwnerCluster]:
    """A cluster without processes."""
    async with owner_cluster(database_url, redis_url) as cluster:
        yield cluster


@pytest.mark.parametrize("rewrite", [NEWER, NEWER_DEFINITION])
async def test_an_execution_of_newer_code_waits_for_it_while_others_go_on(
    cluster: OwnerCluster, database_url: str, rewrite: str
) -> None:
    async with running(cluster, "nothing"):
        (newer,) = await cluster.submit(Workflow("newer", (Node("only", "later"),)), 1)
        others = await cluster.submit(chain(3), 30)
        await begun(cluster, [newer, *others])
    await change(database_url, rewrite, newer, 90)

    async with running(cluster, "work"):
        await cluster.closed(others)
        (record,) = await cluster.executions.get_many([newer])
        assert record.status is ExecutionStatus.RUNNING
        assert cluster.telemetry.counts["flowmesh.executions.unreadable"] >= 1

    await change(database_url, rewrite, newer, -90)
    async with running(cluster, "later"):
        await cluster.closed([newer])


@asynccontextmanager
async def running(cluster: OwnerCluster, handler: str) -> AsyncIterator[None]:
    """Run an owner, and a worker for one handler."""
    owner = cluster.owner(lanes=2)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(cluster.session().run(owner.run))
        working = tasks.create_task(cluster.work([handler]))
        yield
        working.cancel()
        owner.stop()
        await serving


async def begun(cluster: OwnerCluster, keys: list[ExecutionKey]) -> None:
    while any(record.status is ExecutionStatus.PENDING for record in await cluster.executions.get_many(keys)):
        await cluster.clock.sleep(0.01)


async def change(database_url: str, rewrite: str, key: ExecutionKey, difference: int) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        assert (await connection.execute(rewrite, key.execution_id, difference)).startswith("UPDATE")
    finally:
        await connection.close()
