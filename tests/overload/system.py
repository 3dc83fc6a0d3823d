"""One process of every role on real stores, and what it takes up."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.acceptance.processes import COMMAND, free_ports
from tests.chaos.cluster import ROLES, Member

_SAMPLE_SECONDS = 0.25
_HAS_PROC = Path("/proc/self/statm").exists()
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Stores:
    """Where the stores are."""

    postgres_url: str
    redis_url: str


class System:
    """The processes by role."""

    def __init__(self, members: dict[str, Member], addresses: dict[str, str], stores: Stores) -> None:
        self._members = members
        self._stores = stores
        self.addresses = addresses
        self.peaks: defaultdict[str, float] = defaultdict(float)

    def memory(self) -> dict[str, float]:
        """Return the resident memory of each process in MiB."""
        return {role: _resident(member) for role, member in self._members.items()}

    async def connections(self) -> int:
        """Return how many connections to both stores the processes have open."""
        async with Redis.from_url(self._stores.redis_url) as redis:
            to_redis = len(await redis.client_list()) - 1
        session = await asyncpg.connect(self._stores.postgres_url)
        try:
            to_postgres = await session.fetchval(
                "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
            )
        finally:
            await session.close()
        return to_redis + int(to_postgres)

    async def queued(self) -> int:
        """Return how many commands and tasks lie in Redis."""
        async with Redis.from_url(self._stores.redis_url) as redis:
            streams = [key async for key in redis.scan_iter(_type="STREAM")]
            return sum([await redis.xlen(each) for each in streams])

    async def observe(self) -> None:
        """Note the peaks of memory, until cancelled."""
        while True:
            for role, size in self.memory().items():
                self.peaks[role] = max(self.peaks[role], size)
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def verify(self, log: Path) -> tuple[int, str]:
        """Ask `flowmesh verify` about everything stored and what clients were told."""
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, "verify", "--settled", "--log", str(log)),
            env=_environment(self._stores, {}),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()


@asynccontextmanager
async def running_system(directory: Path, stores: Stores, settings: dict[str, str]) -> AsyncIterator[System]:
    """Start one process of every role."""
    if not _HAS_PROC:
        pytest.skip("the memory of processes is read from /proc")
    environment = _environment(stores, settings)
    migrated = await asyncio.create_subprocess_exec(
        *COMMAND, "migrate", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    assert await migrated.wait() == 0
    addresses = {role: f"127.0.0.1:{port}" for role, port in free_ports(list(ROLES)).items()}
    members = {
        role: Member(
            role,
            [*COMMAND, "serve", role, "--listen", address],
            environment,
            directory / f"{role}.log",
        )
        for role, address in addresses.items()
    }
    try:
        for member in members.values():
            await member.start()
        for member in members.values():
            assert await member.serves(), member.log.read_text()[-2000:]
        yield System(members, addresses, stores)
    finally:
        await asyncio.gather(*(member.stop() for member in members.values()))


def _environment(stores: Stores, settings: dict[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        "FLOWMESH_POSTGRES_URL": stores.postgres_url,
        "FLOWMESH_REDIS_URL": stores.redis_url,
        "FLOWMESH_LOG_LEVEL": "warning",
        "FLOWMESH_GRACE_SECONDS": "3",
        **settings,
    }


def _resident(member: Member) -> float:
    assert member.process is not None
    pages = Path(f"/proc/{member.process.pid}/statm").read_text().split()[1]
    return int(pages) * _PAGE_MIB
