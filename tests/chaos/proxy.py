"""A network that can be broken: a TCP proxy with a fault in it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Self

_CHUNK = 65_536
_DRIP_BYTES = 256
_DRIP_SECONDS = 0.005


@dataclass(frozen=True)
class Weather:
    """What happens to bytes on their way.

    Attributes:
        accepts: Whether connections live at all.
        requests: Whether bytes get from the client to the server.
        answers: Whether bytes get from the server to the client.
        delay: Seconds that each piece takes.
        drips: Whether bytes come in small pieces, slowly.
    """

    accepts: bool = True
    requests: bool = True
    answers: bool = True
    delay: float = 0.0
    drips: bool = False


FAIR = Weather()
CUT = Weather(accepts=False)
DEAF = Weather(requests=False)
MUTE = Weather(answers=False)
DRIP = Weather(drips=True)


class _Link:
    """A client's connection and the one to the server behind it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.is_half_open = False

    def abort(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """Listens on a port of its own and passes on to a Unix socket or a port of this machine."""

    def __init__(self, target: str | int) -> None:
        self._target = target
        self._links: set[_Link] = set()
        self._weather = FAIR
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.become(CUT)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def aim(self, target: str | int) -> None:
        """Pass new connections on to another place."""
        self._target = target

    async def become(self, weather: Weather) -> None:
        """Change the weather for connections that are open and that will be."""
        self._weather = weather
        if not weather.accepts:
            for link in list(self._links):
                link.abort()
        async with self._changed:
            self._changed.notify_all()

    def half_open(self) -> None:
        """Let every open connection lose its server without the client hearing of it."""
        for link in list(self._links):
            link.is_half_open = True
            link.server.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._weather.accepts:
            writer.transport.abort()
            return
        try:
            upstream, server = await self._dial()
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, server)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, server, link, "requests"))
                tasks.create_task(self._pump(upstream, writer, link, "answers"))
        finally:
            self._links.discard(link)
            link.abort()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, int):
            return await asyncio.open_connection("127.0.0.1", self._target)
        return await asyncio.open_unix_connection(self._target)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: _Link, direction: str
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                await self._pass(direction)
                await self._write(sink, data)
        if not link.is_half_open:
            link.abort()
        elif direction == "answers":
            with contextlib.suppress(OSError):
                await link.client.wait_closed()

    async def _pass(self, direction: str) -> None:
        """Wait while this direction is blocked."""
        async with self._changed:
            await self._changed.wait_for(lambda: getattr(self._weather, direction))
        if self._weather.delay:
            await asyncio.sleep(self._weather.delay)

    async def _write(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        step = _DRIP_BYTES if self._weather.drips else len(data)
        for start in range(0, len(data), step):
            sink.write(data[start : start + step])
            await sink.drain()
            if self._weather.drips:
                await asyncio.sleep(_DRIP_SECONDS)
