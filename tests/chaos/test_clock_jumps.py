"""Wall clocks of servers that jump, under tasks with time limits and retries that wait."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from flowmesh import AsyncClient, AsyncExecutionHandle
from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.faults import SERVERS
from tests.chaos.run import verified
from tests.chaos.stores import running_stores
from tests.chaos.workflows import timed, waiting

pytestmark = pytest.mark.chaos

_JUMPS = (3600.0, -3600.0, 30.0, -30.0)
_LIMIT = timedelta(seconds=1.3)
"""The task takes 0.3 s: what would end it is a limit that is over 1 s early."""
_PAUSE = timedelta(seconds=2)
_EACH = 10


@pytest.mark.timeout(120)
async def test_no_time_limit_ends_early_and_no_retry_waits_longer(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(running_stores())
        cluster = await stack.enter_async_context(running_cluster(tmp_path, stores))
        for number in range(2):
            await cluster.add_worker("tests.chaos.worker_process", f"worker-{number}", number)
        address = cluster.addresses("submission")[0]
        client = await stack.enter_async_context(AsyncClient(address))
        watcher = await stack.enter_async_context(AsyncClient(cluster.addresses("orchestration")[0]))
        for turn in range(len(_JUMPS)):
            submitted = [await _submit(client, number) for number in range(_EACH)]
            for role, seconds in zip(SERVERS, _JUMPS[turn:] + _JUMPS[:turn], strict=True):
                cluster.of(role)[0].set_clock(seconds)
            submitted += [await _submit(client, number) for number in range(_EACH)]
            async with asyncio.timeout(_PAUSE.total_seconds() + 6):
                for handle in submitted:
                    await watcher.handle(handle.id).result()
        await _judge(cluster)


async def _submit(client: AsyncClient, number: int) -> AsyncExecutionHandle:
    workflow = timed(_LIMIT) if number % 2 else waiting(_PAUSE)
    return await client.submit(workflow, {"n": number})


async def _judge(cluster: Cluster) -> None:
    for member in cluster.of("worker"):
        await member.stop()
    verdict = await verified(cluster)
    assert verdict.exit_code == 0, verdict.report
