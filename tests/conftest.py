"""Fixtures that every level of tests may use: real servers, fresh for each test.

The servers are the embedded ones, started once per test process, unless
FLOWMESH_TEST_POSTGRES_URL or FLOWMESH_TEST_REDIS_URL name others. Those must be
for tests alone: the Redis is flushed before every test that uses it.
"""

from __future__ import annotations

import os
import secrets
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from redis.asyncio import Redis

from flowmesh_services.embedded import EmbeddedServers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


# A shell ignores interrupts for its background jobs, and what tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
async def embedded_servers() -> AsyncIterator[EmbeddedServers]:
    """Valkey and PostgreSQL for this test process."""
    async with EmbeddedServers(durable=False) as servers:
        yield servers


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """The server that `database_url` makes databases in."""
    given = os.environ.get("FLOWMESH_TEST_POSTGRES_URL")
    return given if given is not None else _embedded(request).postgres_url


@pytest.fixture(scope="session")
def redis_server_url(request: pytest.FixtureRequest) -> str:
    """The server behind `redis_url`."""
    given = os.environ.get("FLOWMESH_TEST_REDIS_URL")
    return given if given is not None else _embedded(request).redis_url


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """An empty database of this test's own."""
    async with _database(postgres_url) as url:
        yield url


@pytest.fixture
async def redis_url(redis_server_url: str) -> str:
    """An empty Redis."""
    async with Redis.from_url(redis_server_url) as client:
        await client.flushall()
    return redis_server_url


def _embedded(request: pytest.FixtureRequest) -> EmbeddedServers:
    servers = request.getfixturevalue("embedded_servers")
    assert isinstance(servers, EmbeddedServers)
    return servers


@asynccontextmanager
async def _database(server_url: str) -> AsyncIterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    server = await asyncpg.connect(server_url)
    try:
        await server.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        finally:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()
