"""A Redis that tests may kill, and servers that are no Redis."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis.connection import connect
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_services.embedded.binaries import find_redis_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class MortalRedis:
    """A Redis that keeps its data in an append-only file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._directory}/socket"

    @property
    def data(self) -> Path:
        return self._directory / "appendonlydir"

    async def start(self) -> None:
        """Start it and return when it answers."""
        self._process = await asyncio.create_subprocess_exec(
            *(find_redis_server(None), "--port", "0", "--unixsocket", "socket", "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always", "--logfile", "log"),
            cwd=self._directory,
        )
        while not await _answers(self.url):
            assert self._process.returncode is None

    async def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


async def _answers(url: str) -> bool:
    try:
        async with connect(url):
            return True
    except StoreUnavailable:
        return False


@asynccontextmanager
async def mortal_redis() -> AsyncIterator[MortalRedis]:
    """Start one."""
    directory = Path(tempfile.mkdtemp(prefix="fm-"))  # short, as socket paths must be
    redis = MortalRedis(directory)
    try:
        await redis.start()
        yield redis
    finally:
        await redis.kill()
        shutil.rmtree(directory)


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Accept connections and never say a word."""
    async with _server(b"") as url:
        yield url


@asynccontextmanager
async def babbling_server() -> AsyncIterator[str]:
    """Answer with what is not the Redis protocol."""
    async with _server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        yield url


@asynccontextmanager
async def _server(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(65536):
                writer.write(answer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
