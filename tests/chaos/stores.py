"""Valkey and PostgreSQL that a test kills and starts again on the same data."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Protocol

import asyncpg
from redis.asyncio import Redis

from flowmesh_services.embedded.account import ServerAccount
from flowmesh_services.embedded.binaries import find_postgres, find_redis_server
from flowmesh_services.embedded.directories import run_directory
from flowmesh_services.embedded.errors import EmbeddedServerError
from flowmesh_services.embedded.postgres import EmbeddedPostgres
from flowmesh_services.embedded.process import Launcher
from flowmesh_services.embedded.redis import EmbeddedRedis
from tests.chaos.facts import NAMESPACE

_RESTART_SECONDS = 20.0


class _Embedded(Protocol):
    async def start(self, stack: AsyncExitStack, launcher: Launcher, *, durable: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class _Recorder(Launcher):
    """A launcher that remembers what it started."""

    started: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(
        self, command: Sequence[str | Path], *, log: Path, stop_signal: Signals
    ) -> asyncio.subprocess.Process:
        process = await Launcher.start(self, command, log=log, stop_signal=stop_signal)
        self.started.append(process)
        return process


class StoreServer:
    """One of the stores; `socket` is where its proxies connect."""

    def __init__(self, server: _Embedded, launcher: _Recorder, socket: Path, data: Path) -> None:
        self._server = server
        self._launcher = launcher
        self.socket = str(socket)
        self.data = data

    @property
    def pid(self) -> int:
        """The process that runs now."""
        return self._launcher.started[-1].pid

    async def start(self, stack: AsyncExitStack) -> None:
        """Start it on its data; what a killed one left running may take a moment to end."""
        async with asyncio.timeout(_RESTART_SECONDS):
            while True:
                try:
                    await self._server.start(stack, self._launcher, durable=True)
                except EmbeddedServerError:
                    await asyncio.sleep(0.1)
                else:
                    return

    @property
    def is_running(self) -> bool:
        """Whether it did not end by itself."""
        return self._launcher.started[-1].returncode is None

    async def kill(self) -> None:
        """End it as a crash does."""
        process = self._launcher.started[-1]
        if process.returncode is None:
            process.send_signal(SIGKILL)
        await process.wait()


class Stores:
    """Both of them."""

    def __init__(
        self,
        redis: StoreServer,
        postgres: StoreServer,
        redis_url: str,
        postgres_url: str,
        stack: AsyncExitStack,
    ) -> None:
        self.redis = redis
        self.postgres = postgres
        self.redis_url = redis_url
        self.postgres_url = postgres_url
        self._stack = stack

    async def restart(self, store: StoreServer, meanwhile: Callable[[], None] | None = None) -> None:
        """Kill a store and start it again; `meanwhile` may change its data."""
        await store.kill()
        if meanwhile is not None:
            meanwhile()
        await store.start(self._stack)

    async def start_again(self, store: StoreServer) -> None:
        """Start a store that ended by itself."""
        if not store.is_running:
            await store.start(self._stack)

    async def flush_redis(self) -> None:
        """Empty Redis."""
        async with Redis.from_url(self.redis_url) as client:
            await client.flushall()

    async def copy_aof(self, target: Path) -> None:
        """Keep the append-only files of Redis as they are now."""
        shutil.rmtree(target, ignore_errors=True)
        await asyncio.to_thread(shutil.copytree, self.redis.data / "appendonlydir", target)

    def older_aof(self, source: Path) -> Callable[[], None]:
        """Return what puts a kept copy in the place of the append-only files."""

        def swap() -> None:
            current = self.redis.data / "appendonlydir"
            owner = current.stat()
            shutil.rmtree(current)
            shutil.copytree(source, current)
            for path in (current, *current.iterdir()):
                shutil.chown(path, owner.st_uid, owner.st_gid)

        return swap

    async def delete_streams(self, pattern: str, limit: int) -> int:
        """Delete some streams of Redis; return how many."""
        async with Redis.from_url(self.redis_url) as client:
            found = [key async for key in client.scan_iter(pattern, _type="stream")][:limit]
            return int(await client.delete(*found)) if found else 0

    async def queued(self, handler: str) -> int:
        """Return how many tasks of a handler lie in its stream."""
        async with Redis.from_url(self.redis_url) as client:
            return int(await client.xlen(f"fm:{{q:{NAMESPACE}}}:tasks:{handler}"))

    async def backends(self) -> list[int]:
        """Return the processes of PostgreSQL that serve connections."""
        async with self.session() as session:
            rows = await session.fetch(
                "SELECT pid FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"
            )
        return [row["pid"] for row in rows]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """Connect to PostgreSQL past the proxies, once it has recovered."""
        async with asyncio.timeout(_RESTART_SECONDS):
            session = await self._connect()
        try:
            yield session
        finally:
            session.terminate()  # a goodbye would fail when the server went first

    @asynccontextmanager
    async def postgres_restarts_itself(self) -> AsyncIterator[int]:
        """Give the process behind a session to kill; wait at the end until PostgreSQL recovered from it."""
        noticed = asyncio.Event()
        async with self.session() as witness:
            witness.add_termination_listener(lambda _: noticed.set())
            yield witness.get_server_pid()
            async with asyncio.timeout(_RESTART_SECONDS):
                await noticed.wait()
        async with self.session():
            pass  # it recovered

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        while True:
            try:
                return await asyncpg.connect(self.postgres_url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running_stores(
    redis_disk: Path | None = None, postgres_disk: Path | None = None
) -> AsyncIterator[Stores]:
    """Start both, keeping commits durable, each on a disk of its own when there is one."""
    account = ServerAccount.choose()
    async with AsyncExitStack() as stack:
        run = stack.enter_context(run_directory(account))
        sockets = _directory(run / "sockets", account)
        data = run / "data"
        data.mkdir(mode=account.passage_mode)
        programs = find_postgres(None, None)
        redis_program = find_redis_server(None)
        redis_data = _directory((redis_disk or data) / "redis", account)
        postgres_data = postgres_disk or data
        reachable = account.reaches(
            [redis_program, redis_data, programs.postgres, postgres_data / "postgres"]
        )
        redis = EmbeddedRedis(redis_program, redis_data, sockets)
        postgres = EmbeddedPostgres(programs, postgres_data, sockets, account)
        servers = [
            StoreServer(redis, _Recorder(account, reachable, ()), sockets / "redis.sock", redis_data),
            StoreServer(
                postgres,
                _Recorder(account, reachable, ()),
                sockets / ".s.PGSQL.5432",
                postgres_data / "postgres",
            ),
        ]
        for server in servers:
            await server.start(stack)
        yield Stores(servers[0], servers[1], redis.url, postgres.url, stack)


def _directory(path: Path, account: ServerAccount) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    account.own(path)
    return path
