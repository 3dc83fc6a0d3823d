"""Disks that fill up under the stores: refusals and waiting, no crash, and life again with space."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.facts import FactLog
from tests.chaos.load import Clients, Load, LoadOptions
from tests.chaos.run import open_executions, verified
from tests.chaos.stores import running_stores

pytestmark = pytest.mark.chaos

_FULL_SECONDS = 2.0
_LOAD = LoadOptions(rate=10.0, cancelled=0.1, watched=0.1)


@contextmanager
def small_disk(where: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system of this size."""
    where.mkdir()
    options = f"size={megabytes}m,mode=755"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount a small file system can fill one")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65_536))
    return filler


@asynccontextmanager
async def loaded(cluster: Cluster) -> AsyncIterator[Load]:
    """Work on a cluster until the block ends; on the way out everything has to end well."""
    clients = Clients.of(cluster.addresses("submission"), cluster.addresses("orchestration"))
    load = Load(clients, FactLog(cluster.directory / "clients.facts"), Random(1), _LOAD)
    await cluster.add_worker("tests.chaos.worker_process", "worker-1", 0)
    running = asyncio.create_task(load.run(60.0))
    try:
        await asyncio.sleep(1.0)
        yield load
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.wait([running])
        await load.finish(60.0)
        assert await open_executions(cluster, 60.0) == 0
    finally:
        running.cancel()
        await asyncio.wait([running])
        await load.abandon()
        await clients.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_a_full_disk_loses_nothing(tmp_path: Path, store: str) -> None:
    async with AsyncExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", 32 if store == "redis" else 256))
        redis, postgres = (disk, None) if store == "redis" else (None, disk)
        stores = await stack.enter_async_context(running_stores(redis, postgres))
        cluster = await stack.enter_async_context(running_cluster(tmp_path, stores, each=1))
        servers = {name: member.process for name, member in cluster.members.items()}
        async with loaded(cluster) as load:
            filler = fill(disk)
            await asyncio.sleep(_FULL_SECONDS)
            filler.unlink()
            await stores.start_again(stores.postgres)
            before = load.accepted
            async with asyncio.timeout(30):
                while load.accepted < before + 5:  # noqa: ASYNC110 - clients set no event
                    await asyncio.sleep(0.05)

        assert all(process is not None and process.returncode is None for process in servers.values())
        for member in cluster.of("worker"):
            await member.stop()
        verdict = await verified(cluster)
        assert verdict.exit_code == 0, json.dumps(verdict.report)
