"""Small systems side by side on one pair of servers: all roles in one process, one worker, one client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg

from flowmesh_services.embedded import EmbeddedServers
from tests.benchmarks.guard.wire_tap import WireTap, tapping
from tests.benchmarks.stack import Shape, Stack, running_on

_SETTINGS = {
    # Few, so that their names in each read do not outweigh the messages.
    "FLOWMESH_PARTITIONS": "8",
    # What an idle system does by the clock is not to be counted.
    "FLOWMESH_LEASE_SECONDS": "60",
    "FLOWMESH_GATEWAY_LEASE_SECONDS": "60",
    "FLOWMESH_WORKER_LEASE_SECONDS": "60",
    "FLOWMESH_WORKER_BEAT_SECONDS": "30",
    "FLOWMESH_START_REPORT_SECONDS": "30",
}
_SOCKET = ".s.PGSQL.5432"


@asynccontextmanager
async def system(servers: EmbeddedServers, number: int, tree: Path | None = None) -> AsyncIterator[Stack]:
    """Start one in databases of its own, with the code of this repository or of another tree."""
    database = await _database(servers, number)
    async with running_on(database, _redis(servers, number), _shape(tree)) as stack:
        yield stack


@asynccontextmanager
async def tapped_system(
    servers: EmbeddedServers, number: int, folder: Path
) -> AsyncIterator[tuple[Stack, WireTap]]:
    """Start one whose words to PostgreSQL are counted."""
    database = await _database(servers, number)
    (host,) = parse_qs(urlsplit(database).query)["host"]
    with tapping(Path(host) / _SOCKET, folder / _SOCKET) as tap:
        via = _with_host(database, str(folder))
        async with running_on(database, _redis(servers, number), _shape(None), via) as stack:
            yield stack, tap


def _shape(tree: Path | None) -> Shape:
    return Shape(workers=1, clients=1, together=True, settings=_SETTINGS, tree=tree)


async def _database(servers: EmbeddedServers, number: int) -> str:
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        await connection.execute(f"CREATE DATABASE guard_{number}")
    finally:
        await connection.close()
    return urlsplit(servers.postgres_url)._replace(path=f"/guard_{number}").geturl()


def _redis(servers: EmbeddedServers, number: int) -> str:
    return f"{servers.redis_url}?db={number}"


def _with_host(database: str, host: str) -> str:
    parts = urlsplit(database)
    query = {**{name: values[0] for name, values in parse_qs(parts.query).items()}, "host": host}
    return f"postgresql://{parts.path}?{urlencode(query)}"
