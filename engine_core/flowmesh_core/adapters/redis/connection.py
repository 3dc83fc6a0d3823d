"""Calls to Redis.

Why not a client library's pool: here many callers share one connection and
their commands are answered in order, so a batch of a thousand commands is one
write and one parse, a caller that is cancelled leaves nothing behind for the
next one to read, and no command is ever repeated behind its caller's back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hiredis import ReplyError

from flowmesh_core.adapters.redis import scripts
from flowmesh_core.adapters.redis.endpoint import Endpoint
from flowmesh_core.adapters.redis.subscriptions import Subscriptions
from flowmesh_core.adapters.redis.wire import Argument, Command, Reply, Wire, checked, pack
from flowmesh_core.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

DEADLINE = 5.0
"""Seconds that Redis has for an answer, unless set otherwise."""

_CURED_BY_CONNECTING = ("NOSCRIPT", "READONLY")
"""Someone flushed the scripts, which every new connection loads; or this server is the primary no more."""


@dataclass(slots=True)
class _Call:
    expected: int
    due: float
    answer: asyncio.Future[list[Reply]]
    replies: list[Reply] = field(default_factory=list)


class Connection:
    """One open connection with any number of calls in flight, answered in order.

    When the oldest call is not answered in time, the connection is cut and
    every call in flight fails.
    """

    def __init__(self) -> None:
        self.wire = Wire(self._receive, self._fail)
        self.is_open = True
        self._loop = asyncio.get_running_loop()
        self._calls: deque[_Call] = deque()
        self._watchdog: asyncio.TimerHandle | None = None

    async def call(self, packed: bytes, replies: int, deadline: float) -> list[Reply]:
        """Send packed commands and return their replies, errors among them.

        Raises:
            StoreUnavailable: The outcome is unknown.
        """
        await self.wire.writable()
        self.wire.write(packed)
        call = _Call(replies, self._loop.time() + deadline, self._loop.create_future())
        self._calls.append(call)
        if self._watchdog is None:
            self._watchdog = self._loop.call_at(call.due, self._watch)
        return await call.answer

    def _receive(self, reply: Reply) -> None:
        call = self._calls[0]
        call.replies.append(reply)
        if isinstance(reply, ReplyError) and str(reply).startswith(_CURED_BY_CONNECTING):
            self.wire.close()
        if len(call.replies) < call.expected:
            return
        self._calls.popleft()
        if not call.answer.done():
            call.answer.set_result(call.replies)

    def _watch(self) -> None:
        self._watchdog = None
        if not self._calls:
            return
        if self._calls[0].due <= self._loop.time():
            self.wire.close()
        else:
            self._watchdog = self._loop.call_at(self._calls[0].due, self._watch)

    def _fail(self) -> None:
        self.is_open = False
        if self._watchdog is not None:
            self._watchdog.cancel()
        for call in self._calls:
            if not call.answer.done():
                call.answer.set_exception(StoreUnavailable("Redis did not answer"))
        self._calls.clear()


class RedisClient:
    """Calls to one Redis over one connection, which is opened when it is needed."""

    def __init__(self, endpoint: Endpoint, deadline: float) -> None:
        self._endpoint = endpoint
        self._deadline = deadline
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._children: list[RedisClient] = []
        self.subscriptions = Subscriptions(endpoint, deadline)

    async def pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in one write and return their replies, errors among them.

        Raises:
            StoreUnavailable: The outcome is unknown.
        """
        return await self.send(pack(commands), len(commands)) if commands else []

    async def call(self, *command: Argument) -> Reply:
        """Send one command and return its reply.

        Raises:
            StoreUnavailable: Redis does not answer or cannot serve now.
            ReplyError: Redis refused the command.
        """
        return checked((await self.pipeline([command]))[0])

    async def send(self, packed: bytes, replies: int) -> list[Reply]:
        """Send packed commands; else as `pipeline`."""
        connection = self._connection
        if connection is None or not connection.is_open:
            connection = await self._opened()
        return await connection.call(packed, replies, self._deadline)

    @property
    def is_connected(self) -> bool:
        """Whether the connection that the last call went over is still there."""
        return self._connection is not None and self._connection.is_open

    def dedicated(self) -> RedisClient:
        """Return a client with a connection of its own."""
        child = RedisClient(self._endpoint, self._deadline)
        self._children.append(child)
        return child

    def drop(self) -> None:
        """Cut the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.is_open = False
            self._connection.wire.close()

    async def aclose(self) -> None:
        """Cut every connection that this client or one made of it has."""
        await self.subscriptions.aclose()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        for child in self._children:
            await child.aclose()
        if self._connection is not None:
            self.drop()
            await self._connection.wire.closed()

    async def _opened(self) -> Connection:
        """Open a connection; all who wait for it share the attempt and its failure."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open(), name="redis connection")
            self._opening.add_done_callback(_retrieve)
        return await asyncio.shield(self._opening)

    async def _open(self) -> Connection:
        connection = Connection()
        try:
            async with asyncio.timeout(self._deadline):
                await self._endpoint.dial(connection.wire)
                await self._greet(connection)
        except (OSError, TimeoutError, ReplyError) as error:
            connection.wire.close()
            raise StoreUnavailable(f"no Redis at {self._endpoint}: {error}") from error
        except BaseException:
            connection.wire.close()
            raise
        self._connection = connection
        return connection

    async def _greet(self, connection: Connection) -> None:
        commands: list[Command] = [*self._endpoint.greeting()]
        commands += [("SCRIPT", "LOAD", script.source) for script in scripts.ALL]
        for reply in await connection.call(pack(commands), len(commands), self._deadline):
            checked(reply)


def _retrieve(opening: asyncio.Task[Connection]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not opening.cancelled():
        opening.exception()


@asynccontextmanager
async def connect(url: str, *, deadline: float = DEADLINE) -> AsyncIterator[RedisClient]:
    """Open a client of the Redis at `url` and close it with all that it opened.

    Raises:
        StoreUnavailable: It does not answer within `deadline` seconds.
    """
    client = RedisClient(Endpoint.parse(url), deadline)
    try:
        await client.call("PING")
        yield client
    finally:
        await client.aclose()
