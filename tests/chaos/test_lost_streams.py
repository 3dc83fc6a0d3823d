"""Tasks that were waiting in a stream which was deleted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from flowmesh import AsyncClient
from tests.chaos.cluster import running_cluster
from tests.chaos.run import open_executions, verified
from tests.chaos.stores import running_stores
from tests.chaos.workflows import chain

pytestmark = pytest.mark.chaos

_EXECUTIONS = 20


@pytest.mark.timeout(120)
async def test_tasks_of_a_deleted_queue_run_all_the_same(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(running_stores())
        cluster = await stack.enter_async_context(running_cluster(tmp_path, stores, each=1))
        async with AsyncClient(cluster.addresses("submission")[0]) as client:
            for number in range(_EXECUTIONS):
                await client.submit(chain(2), {"n": number})
        async with asyncio.timeout(10):
            while await stores.queued("step") < _EXECUTIONS:  # noqa: ASYNC110 - a stream sets no event
                await asyncio.sleep(0.02)

        assert await stores.delete_streams("fm:*:tasks:*", 1) == 1
        await cluster.add_worker("tests.chaos.worker_process", "worker-1", 0)

        assert await open_executions(cluster, 30.0) == 0
        verdict = await verified(cluster)
        assert verdict.exit_code == 0, verdict.report
