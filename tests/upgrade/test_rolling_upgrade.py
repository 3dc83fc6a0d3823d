"""The version before this one and this one, side by side under load, replaced there and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest

from tests.chaos.facts import FactLog
from tests.chaos.load import Clients, Load, LoadOptions
from tests.upgrade.rolling import NAMES, TwoVersions
from tests.upgrade.versions import ROOT, earlier_tree

OPEN = "SELECT count(*) FROM flowmesh.execution WHERE status IN ('PENDING', 'RUNNING', 'CANCELLING')"
SETTLE_SECONDS = 60.0
WRONG = ("cannot be read", "could not be read", "parked", "does not fold", "cannot be decided", "incident")
"""Words of what a process logs that met something it does not understand."""


@pytest.fixture
async def both(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[TwoVersions]:
    """A database of the earlier version's making, and nothing running yet."""
    trees = {"old": earlier_tree(tmp_path / "old"), "new": ROOT}
    stores = {"FLOWMESH_POSTGRES_URL": database_url, "FLOWMESH_REDIS_URL": redis_url}
    made = TwoVersions(tmp_path, trees, stores)
    try:
        for version, tree in trees.items():
            assert str(tree) in await made.origin(version), "each version must run its own code"
        assert (await made.run("old", "migrate"))[0] == 0
        yield made
    finally:
        await made.stop()


@pytest.mark.timeout(240)
async def test_an_upgrade_and_its_way_back_lose_nothing(
    both: TwoVersions, tmp_path: Path, database_url: str
) -> None:
    await asyncio.gather(*(both.start(name, "old") for name in NAMES))
    assert (await both.run("new", "migrate", "--phase", "pre"))[0] == 0
    await asyncio.gather(both.start_worker(1), both.start_worker(2))
    async with loaded(both, tmp_path) as load:
        await replace_all(both, NAMES, "new")
        forth = load.accepted
        await replace_all(both, NAMES[::-1], "old")
        assert forth > 50
        assert load.accepted - forth > 50
    await settled(database_url)
    await both.stop("worker")

    verdict = await agreed_verdict(both)
    assert verdict["violations"] == 0, verdict
    for version in ("old", "new"):
        assert not [word for word in WRONG if word in both.warnings(version)], both.warnings(version)


@asynccontextmanager
async def loaded(both: TwoVersions, directory: Path) -> AsyncIterator[Load]:
    """Submit, cancel and watch until the body ends, then wait for every answer."""
    clients = Clients.of(both.addresses("submission"), both.addresses("orchestration"))
    log = FactLog(directory / "clients.facts")
    load = Load(clients, log, Random(11), LoadOptions(rate=40.0))
    running = asyncio.create_task(load.run(float("inf")))
    try:
        yield load
        running.cancel()
        await asyncio.wait([running])
        await load.finish(SETTLE_SECONDS)
    finally:
        running.cancel()
        await load.abandon()
        await clients.close()
        log.close()


async def replace_all(both: TwoVersions, names: Sequence[str], version: str) -> None:
    """Replace two processes at a time; when half are replaced, both versions have every role."""
    for start in range(0, len(names), 2):
        await asyncio.gather(*(both.replace(name, version) for name in names[start : start + 2]))


async def settled(database_url: str) -> None:
    """Return when nothing is open."""
    session = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                if not await session.fetchval(OPEN):
                    return
                await asyncio.sleep(0.1)
    finally:
        await session.close()


async def agreed_verdict(both: TwoVersions) -> dict[str, Any]:
    """Return the verdict; the last acknowledgements may be on their way for a moment."""
    verdict = await both.verdict()
    for _ in range(10):
        if verdict["violations"] == 0:
            break
        await asyncio.sleep(1.0)
        verdict = await both.verdict()
    return verdict
