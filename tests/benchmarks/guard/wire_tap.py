"""What is said to PostgreSQL, counted on its way through a socket in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

_CHUNK = 65_536
_STATEMENTS = (b"E", b"Q")
_ROUND_TRIPS = (b"S", b"Q", b"H")


class Messages:
    """The messages of one client, found in what it sends piece by piece.

    The first has no type; each later one is a byte of type and four of length.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self._header = 0

    def types(self, data: bytes) -> Iterator[bytes]:
        """Yield the type of each message that is complete with this piece."""
        self._pending += data
        while len(self._pending) >= self._header + 4:
            size = self._header + int.from_bytes(self._pending[self._header : self._header + 4], "big")
            if len(self._pending) < size:
                return
            if self._header:
                yield bytes(self._pending[:1])
            del self._pending[:size]
            self._header = 1


class WireTap:
    """Counts what goes through.

    Attributes:
        counts: `statements`, `round_trips`, `bytes_in` and `bytes_out`, as the server has it.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self.counts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        try:
            answers, requests = await asyncio.open_unix_connection(str(self._target))
        except OSError:
            writer.transport.abort()
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._requests(reader, requests))
                tasks.create_task(self._answers(answers, writer))
        finally:
            writer.transport.abort()
            requests.transport.abort()

    async def _requests(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        messages = Messages()
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                self.counts["bytes_in"] += len(data)
                for kind in messages.types(data):
                    self.counts["statements"] += kind in _STATEMENTS
                    self.counts["round_trips"] += kind in _ROUND_TRIPS
                sink.write(data)
                await sink.drain()
        sink.transport.abort()

    async def _answers(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                self.counts["bytes_out"] += len(data)
                sink.write(data)
                await sink.drain()
        sink.transport.abort()


@contextmanager
def tapping(target: Path, socket: Path) -> Iterator[WireTap]:
    """Listen on one Unix socket and pass on to another.

    In a thread of its own, because starting and ending processes blocks the caller's loop.
    """
    tap = WireTap(target)
    listening: Future[Callable[[], object]] = Future()
    with ThreadPoolExecutor(1, "wire tap") as thread:
        serving = thread.submit(asyncio.run, _listen(tap, socket, listening))
        stop = listening.result(5.0)
        try:
            yield tap
        finally:
            stop()
            serving.result(5.0)


async def _listen(tap: WireTap, socket: Path, listening: Future[Callable[[], object]]) -> None:
    """Serve until the function that is handed out is called."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    server = await asyncio.start_unix_server(tap.serve, str(socket))
    listening.set_result(partial(loop.call_soon_threadsafe, ended.set))
    await ended.wait()
    server.close()
