"""Migrations: numbered, applied once, never altered, in two phases."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from flowmesh_core.adapters.postgres.cluster_store import PostgresClusterStore
from flowmesh_core.adapters.postgres.migrate import Migration, Phase, migrate, migrations
from flowmesh_core.adapters.postgres.pool import open_pool
from flowmesh_core.domain.errors import ClusterMismatch, StoreUnavailable

FIRST = Migration(1, Phase.PRE, "0001_pre_first", "CREATE TABLE flowmesh.a (x int)")
SECOND = Migration(2, Phase.POST, "0002_post_second", "ALTER TABLE flowmesh.a DROP COLUMN x")
THIRD = Migration(3, Phase.PRE, "0003_pre_third", "CREATE TABLE flowmesh.b (x int)")


async def run(url: str, statement: str) -> None:
    session = await asyncpg.connect(url)
    await session.execute(statement)
    await session.close()


async def open_cluster(url: str) -> None:
    async with open_pool(url) as pool:
        await PostgresClusterStore(pool).open(4)


def test_the_files_are_numbered_without_gaps() -> None:
    assert [each.version for each in migrations()] == list(range(1, len(migrations()) + 1))
    assert migrations()[0].name == "0001_pre_first_tables"


async def test_each_is_applied_once(database_url: str) -> None:
    assert await migrate(database_url) == [each.name for each in migrations()]
    assert await migrate(database_url) == []


async def test_many_at_once_apply_each_once(database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(database_url) for _ in range(6)))
    assert sorted(name for names in applied for name in names) == [each.name for each in migrations()]


async def test_the_phases_are_apart(database_url: str) -> None:
    known = [FIRST, SECOND, THIRD]
    assert await migrate(database_url, known=known, phases={Phase.PRE}) == [FIRST.name, THIRD.name]
    assert await migrate(database_url, known=known) == [SECOND.name]


async def test_a_failed_one_leaves_nothing_and_can_be_repeated(database_url: str) -> None:
    broken = Migration(2, Phase.PRE, "0002_pre_broken", "CREATE TABLE flowmesh.c (); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database_url, known=[FIRST, broken])
    repaired = Migration(2, Phase.PRE, "0002_pre_repaired", "CREATE TABLE flowmesh.c ()")
    assert await migrate(database_url, known=[FIRST, repaired]) == ["0002_pre_repaired"]


async def test_a_database_of_newer_code_is_left_alone(database_url: str) -> None:
    await migrate(database_url, known=[FIRST, SECOND])
    with pytest.raises(ClusterMismatch, match="newer code: 0002_post_second"):
        await migrate(database_url, known=[FIRST])


async def test_an_altered_one_is_found(database_url: str) -> None:
    await migrate(database_url, known=[FIRST])
    altered = Migration(1, Phase.PRE, FIRST.name, "SELECT 1")
    with pytest.raises(ClusterMismatch, match="altered"):
        await migrate(database_url, known=[altered])


async def test_the_wait_for_another_migrator_ends(database_url: str) -> None:
    session = await asyncpg.connect(database_url)
    await session.execute("SELECT pg_advisory_lock($1)", 0x666C6F776D657368)
    with pytest.raises(StoreUnavailable, match=r"another process .* after 0.05 s: .* run `flowmesh migrate`"):
        await migrate(database_url, lock_timeout=0.05)
    await session.close()


async def test_the_wait_for_a_table_ends_and_changes_nothing(database_url: str) -> None:
    await migrate(database_url, known=[FIRST])
    session = await asyncpg.connect(database_url)
    async with session.transaction():
        await session.execute("LOCK TABLE flowmesh.a IN ACCESS SHARE MODE")
        with pytest.raises(
            StoreUnavailable, match=r"0002_post_second waited 0.05 s .* run `flowmesh migrate`"
        ):
            await migrate(database_url, known=[FIRST, SECOND], lock_timeout=0.05)
    await session.close()
    assert await migrate(database_url, known=[FIRST, SECOND]) == [SECOND.name]


async def test_one_that_takes_too_long_ends_and_changes_nothing(database_url: str) -> None:
    slow = Migration(1, Phase.PRE, FIRST.name, f"{FIRST.text}; SELECT pg_sleep(50)")
    with pytest.raises(StoreUnavailable, match=r"0001_pre_first took more than 0.2 s .* --timeout"):
        await migrate(database_url, known=[slow], time_limit=0.2)
    assert await migrate(database_url, known=[FIRST]) == [FIRST.name]


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await migrate(f"postgresql://u:p@127.0.0.1:{port}/d?sslmode=disable", time_limit=0.2)


async def test_a_cluster_opens_only_on_a_migrated_database(database_url: str) -> None:
    with pytest.raises(ClusterMismatch, match="flowmesh migrate"):
        await open_cluster(database_url)
    await migrate(database_url)
    await open_cluster(database_url)
    await run(database_url, "DELETE FROM flowmesh.migration")
    with pytest.raises(ClusterMismatch, match=r"lacks 0001_pre_first_tables, .*: run `flowmesh migrate`"):
        await open_cluster(database_url)


@pytest.mark.parametrize(("phase", "opens"), [("pre", True), ("post", False)])
async def test_what_newer_code_added_does_no_harm_but_what_it_removed(
    database_url: str, phase: str, opens: bool
) -> None:
    await migrate(database_url)
    await run(
        database_url,
        f"INSERT INTO flowmesh.migration VALUES (9999, '9999_{phase}_future', '{phase}', 'c', now())",
    )
    if opens:
        await open_cluster(database_url)
        return
    with pytest.raises(ClusterMismatch, match="newer code: 9999_post_future"):
        await open_cluster(database_url)
