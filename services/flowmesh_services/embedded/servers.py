"""Valkey and PostgreSQL together, for as long as a block of code runs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from flowmesh_services.embedded.account import ServerAccount
from flowmesh_services.embedded.binaries import find_postgres, find_redis_server
from flowmesh_services.embedded.directories import locked, run_directory
from flowmesh_services.embedded.errors import EmbeddedServerError
from flowmesh_services.embedded.postgres import EmbeddedPostgres, data_version
from flowmesh_services.embedded.process import Launcher
from flowmesh_services.embedded.redis import EmbeddedRedis

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class EmbeddedServers:
    """A Valkey and a PostgreSQL that live inside an `async with` block.

    The servers end with the thread that entered the block, even when the process
    is killed, so enter it on the main thread.

    Attributes:
        redis_url: Where Valkey listens, a Unix socket.
        postgres_url: The database `flowmesh`, through a Unix socket.
    """

    redis_url: str
    postgres_url: str

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        durable: bool = True,
        redis_server: str | None = None,
        postgres_bin: str | None = None,
    ) -> None:
        """Prepare servers.

        Args:
            data_dir: Where data is kept between runs; None for data that ends with the block.
            durable: Whether a commit waits for the disk. Tests do without.
            redis_server: The Redis or Valkey program, instead of the wheel's.
            postgres_bin: The directory of PostgreSQL's programs, instead of the wheel's.
        """
        self._data_dir = data_dir
        self._durable = durable
        self._redis_server = redis_server
        self._postgres_bin = postgres_bin
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start both servers.

        Raises:
            EmbeddedServerError: One cannot be found or started.
        """
        try:
            async with AsyncExitStack() as stack:
                await self._start(stack)
                self._exit = stack.pop_all()
        except OSError as error:
            raise EmbeddedServerError(f"cannot start the embedded servers: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both servers and remove what was not to be kept."""
        # Cancelled or not, the servers must be seen to end before the directories go.
        await asyncio.shield(self._exit.aclose())

    async def _start(self, stack: AsyncExitStack) -> None:
        account = ServerAccount.choose()
        run = stack.enter_context(run_directory(account))
        locks = [await stack.enter_async_context(locked(run))]
        data = run / "data" if self._data_dir is None else self._data_dir.absolute()
        data.mkdir(mode=account.passage_mode, parents=True, exist_ok=True)
        if self._data_dir is not None:
            locks.append(await stack.enter_async_context(locked(data)))
        await self._start_servers(stack, account, run, data, tuple(locks))

    async def _start_servers(
        self, stack: AsyncExitStack, account: ServerAccount, run: Path, data: Path, locks: tuple[int, ...]
    ) -> None:
        redis_program = find_redis_server(self._redis_server)
        programs = find_postgres(self._postgres_bin, data_version(data))
        sockets = _directory(run / "sockets", account)
        reachable = account.reaches([redis_program, programs.postgres, data / "postgres"])
        launcher = Launcher(account, reachable, locks)
        redis = EmbeddedRedis(redis_program, _directory(data / "redis", account), sockets)
        postgres = EmbeddedPostgres(programs, data, sockets, account)
        await redis.start(stack, launcher, durable=self._durable)
        await postgres.start(stack, launcher, durable=self._durable)
        self.redis_url, self.postgres_url = redis.url, postgres.url


def _directory(path: Path, account: ServerAccount) -> Path:
    """Make a private directory of the servers' account."""
    path.mkdir(mode=0o700, exist_ok=True)
    account.own(path)
    return path
