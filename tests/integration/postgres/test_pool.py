"""Faults of connections: one typed error, and the pool heals by itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.adapters.postgres.membership import PostgresMembership
from flowmesh_core.adapters.postgres.pool import connection, open_pool
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.membership import Member, Role

if TYPE_CHECKING:
    from tests.integration.postgres.conftest import Session

MEMBER = Member("m", frozenset({Role.REAPER}))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody@127.0.0.1:1/none",
        "postgresql://nobody@host.invalid/none",
        "postgresql:///none?host=/nonexistent",
    ],
)
async def test_a_server_that_is_not_there(url: str) -> None:
    with pytest.raises(StoreUnavailable):
        async with open_pool(url):
            pass


async def test_a_database_that_is_not_there(migrated_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="does not exist"):
        async with open_pool(migrated_url.replace("/test_", "/toast_")):
            pass


async def test_a_broken_connection_is_reported_and_replaced(migrated_url: str, session: Session) -> None:
    async with open_pool(migrated_url, minimum=1, maximum=1) as pool:
        membership = PostgresMembership(pool)
        await membership.join(MEMBER, 60)
        await session.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'flowmesh'"
        )
        with suppress(StoreUnavailable):  # unless the pool saw the end of the connection first
            await membership.live_members()
        assert await membership.live_members() == [MEMBER]


async def test_connections_that_broke_while_nobody_used_them_cost_nobody(
    migrated_url: str, session: Session
) -> None:
    async with open_pool(migrated_url, minimum=1, maximum=3) as pool:

        async def ask() -> int:
            async with connection(pool) as borrowed:
                return int(await borrowed.fetchval("SELECT 1 FROM pg_sleep(0.01)"))

        assert tuple(await asyncio.gather(ask(), ask(), ask())) == (1, 1, 1)
        await session.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'flowmesh'"
        )
        await session.execute("SELECT 1")  # by now this process has heard of their end
        assert tuple(await asyncio.gather(ask(), ask(), ask())) == (1, 1, 1)


async def test_who_waits_for_a_connection_gets_the_next_that_is_free(migrated_url: str) -> None:
    async with open_pool(migrated_url, minimum=1, maximum=2) as pool:

        async def backend() -> int:
            async with connection(pool) as borrowed:
                return int(await borrowed.fetchval("SELECT pg_backend_pid() FROM pg_sleep(0.001)"))

        backends = await asyncio.gather(*(backend() for _ in range(40)))
        assert len(set(backends)) == 2
        assert await backend() in backends


async def test_a_statement_that_was_cancelled_leaves_nothing_to_the_next(migrated_url: str) -> None:
    async with open_pool(migrated_url, minimum=1, maximum=1) as pool:

        async def sleep() -> None:
            async with connection(pool) as borrowed, borrowed.transaction():
                await borrowed.execute("SELECT pg_sleep(60)")

        sleeping = asyncio.ensure_future(sleep())
        await asyncio.wait([sleeping], timeout=0.05)
        sleeping.cancel()
        await asyncio.wait([sleeping])
        async with connection(pool) as borrowed:
            assert not borrowed.is_in_transaction()
            assert await borrowed.fetchval("SELECT 1") == 1


async def test_a_read_only_connection_is_reported_and_replaced(migrated_url: str) -> None:
    async with open_pool(migrated_url, minimum=1, maximum=1) as pool:
        membership = PostgresMembership(pool)
        async with connection(pool) as borrowed:
            await borrowed.execute("SET default_transaction_read_only = on")
        with pytest.raises(StoreUnavailable, match="read-only"):
            await membership.join(MEMBER, 60)
        await membership.join(MEMBER, 60)


async def test_a_read_only_server_is_not_used(migrated_url: str, session: Session) -> None:
    database = await session.fetchval("SELECT current_database()")
    await session.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailable):
        async with open_pool(migrated_url):
            pass


@pytest.mark.parametrize(
    "fault",
    ["SELECT no_such_column FROM flowmesh.member", "DO $$ BEGIN RAISE insufficient_privilege; END $$"],
)
async def test_a_database_that_is_not_prepared_is_no_fault_of_what_is_written(
    migrated_url: str, fault: str
) -> None:
    async with open_pool(migrated_url) as pool:
        with pytest.raises(StoreUnavailable):
            async with connection(pool) as borrowed:
                await borrowed.execute(fault)
