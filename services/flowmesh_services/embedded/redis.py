"""The embedded Valkey."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import RedisError

from flowmesh_services.embedded.process import Launcher, ServerProcess

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path


class EmbeddedRedis:
    """A Valkey on a Unix socket."""

    def __init__(self, program: Path, data: Path, sockets: Path) -> None:
        self._program = program
        self._data = data
        self._socket = sockets / "redis.sock"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self._socket}"

    async def start(self, stack: AsyncExitStack, launcher: Launcher, *, durable: bool) -> None:
        """Start it, have the stack stop it, and wait until it answers."""
        process = await ServerProcess.start(
            "Valkey",
            launcher,
            [self._program, *self._arguments(durable=durable)],
            log=self._data / "redis.log",
            stop_signal=signal.SIGTERM,
        )
        stack.push_async_callback(process.stop)
        await process.ready(self._answers)

    def _arguments(self, *, durable: bool) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._data),
            "appendonly": "yes" if durable else "no",
            "appendfsync": "everysec",
            "save": "",
            "maxclients": "10000",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    async def _answers(self) -> bool:
        try:
            async with Redis.from_url(self.url, retry=None) as client:
                return bool(await client.ping())
        except RedisError:
            return False
