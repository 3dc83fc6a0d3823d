"""All the channels that this process listens to, over one connection."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hiredis import ReplyError

from flowmesh_core.adapters.feed import Feed
from flowmesh_core.adapters.redis.wire import Reply, Wire, pack
from flowmesh_core.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from flowmesh_core.adapters.redis.endpoint import Endpoint

_SHORTEST_BACKOFF = 0.02
_LONGEST_BACKOFF = 2.0


class Listening(Protocol):
    """Who gets the messages of channels."""

    def put(self, item: bytes, /) -> None:
        """Get a message."""

    def miss(self) -> None:
        """Learn that messages may have been lost."""


@dataclass(slots=True)
class _Channel:
    feeds: set[Listening] = field(default_factory=set)
    active: asyncio.Event = field(default_factory=asyncio.Event)


class Subscriptions:
    """Fans messages out to feeds and reconnects by itself; feeds learn that they may have missed some."""

    def __init__(self, endpoint: Endpoint, deadline: float) -> None:
        self._endpoint = endpoint
        self._deadline = deadline
        self._channels: dict[str, _Channel] = {}
        self._unconfirmed: Counter[str] = Counter()
        self._wire: Wire | None = None
        self._runner: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listen(self, channels: list[str], capacity: int) -> AsyncIterator[Feed[bytes]]:
        """Feed what arrives on channels; on entry all of them are active.

        Raises:
            StoreUnavailable: Redis did not confirm in time.
        """
        feed: Feed[bytes] = Feed(capacity)
        try:
            self.join(channels, feed)
            try:
                async with asyncio.timeout(self._deadline):
                    for name in channels:
                        await self._channels[name].active.wait()
            except TimeoutError as error:
                raise StoreUnavailable("Redis did not confirm a subscription") from error
            yield feed
        finally:
            self.leave(channels, feed)

    def join(self, channels: Collection[str], feed: Listening) -> None:
        """Let it hear channels; of one that becomes active later it is told that it may have missed some."""
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="redis subscriptions")
        fresh = [name for name in channels if name not in self._channels]
        self._channels.update((name, _Channel()) for name in fresh)
        self._tell("SUBSCRIBE", fresh)
        for name in channels:
            self._channels[name].feeds.add(feed)

    def leave(self, channels: Collection[str], feed: Listening) -> None:
        """Let it hear channels no more."""
        silent = []
        for name in channels:
            channel = self._channels[name]
            channel.feeds.discard(feed)
            if not channel.feeds:
                del self._channels[name]
                silent.append(name)
        self._tell("UNSUBSCRIBE", silent)

    async def aclose(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])

    def _tell(self, verb: str, names: list[str]) -> None:
        if self._wire is None or not names:
            return  # the runner subscribes to everything when it has connected
        if verb == "SUBSCRIBE":
            self._unconfirmed.update(names)
        try:
            self._wire.write(pack([(verb, *names)]))
        except StoreUnavailable:
            return  # the runner notices and connects again

    async def _run(self) -> None:
        failures = 0
        while True:
            failures = 0 if await self._serve() else failures + 1
            longest = min(_LONGEST_BACKOFF, _SHORTEST_BACKOFF * 2.0 ** min(failures, 10))
            await asyncio.sleep(longest * secrets.randbelow(1000) / 1000)

    async def _serve(self) -> bool:
        """Listen until the connection is gone; say whether there was one."""
        wire = Wire(self._receive, lambda: None)
        try:
            async with asyncio.timeout(self._deadline):
                await self._endpoint.dial(wire)
            wire.write(pack(self._endpoint.greeting()))
            self._begin(wire)
            await wire.closed()
        except (OSError, TimeoutError, StoreUnavailable):
            return False
        finally:
            wire.close()
            self._end()
        return True

    def _begin(self, wire: Wire) -> None:
        self._wire = wire
        self._unconfirmed.clear()
        self._tell("SUBSCRIBE", list(self._channels))

    def _end(self) -> None:
        self._wire = None
        for channel in self._channels.values():
            channel.active.clear()
            for feed in channel.feeds:
                feed.miss()

    def _receive(self, reply: Reply) -> None:
        match reply:
            case [b"message", bytes() as name, body]:
                if (channel := self._channels.get(name.decode())) is not None:
                    for feed in channel.feeds:
                        feed.put(body)
            case [b"subscribe", bytes() as name, _]:
                self._confirm(name.decode())
            case ReplyError() if self._wire is not None:
                self._wire.close()

    def _confirm(self, name: str) -> None:
        # A channel may have been left and joined again before the first
        # confirmation came: only the last one counts.
        self._unconfirmed[name] -= 1
        if self._unconfirmed[name] > 0:
            return
        del self._unconfirmed[name]
        if (channel := self._channels.get(name)) is not None:
            channel.active.set()
            for feed in channel.feeds:
                feed.miss()
