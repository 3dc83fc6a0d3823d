"""The embedded PostgreSQL."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import asyncpg

from flowmesh_services.embedded.process import Launcher, ServerProcess

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    from flowmesh_services.embedded.account import ServerAccount
    from flowmesh_services.embedded.binaries import PostgresBinaries

_USER = "flowmesh"
_DATABASE = "flowmesh"
_PORT = "5432"


def data_version(data: Path) -> str | None:
    """Read which major version of PostgreSQL wrote a data directory, None when none did."""
    written = data / "postgres" / "PG_VERSION"
    return written.read_text().strip() if written.exists() else None


class EmbeddedPostgres:
    """A PostgreSQL that listens on a Unix socket only."""

    def __init__(self, programs: PostgresBinaries, data: Path, sockets: Path, account: ServerAccount) -> None:
        self._programs = programs
        self._data = data / "postgres"
        self._log = data / "postgres.log"
        self._sockets = sockets
        self._account = account

    @property
    def url(self) -> str:
        """The address of its database."""
        return self._address(_DATABASE)

    async def start(self, stack: AsyncExitStack, launcher: Launcher, *, durable: bool) -> None:
        """Start it, have the stack stop it, and wait until its database can be used."""
        if not self._data.exists():
            await self._initialise(launcher, durable=durable)
        self._account.own(self._data)
        process = await ServerProcess.start(
            "PostgreSQL",
            launcher,
            [self._programs.postgres, *self._arguments(durable=durable)],
            log=self._log,
            stop_signal=signal.SIGINT,
        )
        stack.push_async_callback(process.stop)
        await process.ready(self._answers)

    async def _initialise(self, launcher: Launcher, *, durable: bool) -> None:
        """Make the data directory, under another name until it is whole."""
        fresh = self._data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        options = [
            "--auth=trust",
            f"--username={_USER}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]
        if not durable:
            options.append("--no-sync")
        command: list[str | Path] = [self._programs.initdb, f"--pgdata={fresh}", *options]
        initdb = await ServerProcess.start(
            "initdb", launcher, command, log=self._log, stop_signal=signal.SIGKILL
        )
        try:
            await initdb.finish()
        except BaseException:
            await initdb.stop()
            raise
        fresh.rename(self._data)

    def _arguments(self, *, durable: bool) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "port": _PORT,
            "max_connections": "200",
            "jit": "off",
            "max_wal_size": "2GB",
        }
        if not durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return ["-D", str(self._data), *(f"--{name}={value}" for name, value in options.items())]

    async def _answers(self) -> bool:
        """Tell whether it serves; its database is made by the first call that finds it serving."""
        try:
            connection = await asyncpg.connect(self._address("postgres"))
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False  # also when it ends a connection as it comes up after a crash
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _DATABASE):
                await connection.execute(f"CREATE DATABASE {_DATABASE}")
        finally:
            await connection.close()
        return True

    def _address(self, database: str) -> str:
        where = urlencode({"host": str(self._sockets), "port": _PORT, "user": _USER})
        return f"postgresql:///{database}?{where}"
