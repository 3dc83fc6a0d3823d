"""Following an execution to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from flowmesh_core.application.event_feed import EventFeed
from flowmesh_core.application.execution_reader import ExecutionReader, ExecutionSnapshot
from flowmesh_core.application.offered_handlers import OfferedHandlers
from flowmesh_core.application.request_check import check_key
from flowmesh_core.application.resume_token import ResumeTokens
from flowmesh_core.application.watch_hub import WatchHub
from flowmesh_core.domain.errors import ResumeTokenInFuture
from flowmesh_core.domain.events import Event, ExecutionCancelled, ExecutionCompleted, ExecutionFailed
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.identity import ExecutionKey


@dataclass(frozen=True, slots=True)
class Began:
    """Where everything stands; the first message of a fresh watch."""

    resume_token: str
    snapshot: ExecutionSnapshot


@dataclass(frozen=True, slots=True)
class Happened:
    """The next event, and the graph that names its node."""

    resume_token: str
    event: Event
    graph: Graph


@dataclass(frozen=True, slots=True)
class NothingNew:
    """Nothing happened for a while."""

    resume_token: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The execution is closed and every event was sent."""

    resume_token: str
    snapshot: ExecutionSnapshot


@dataclass(frozen=True, slots=True)
class Resulted:
    """The execution is closed; nothing of it was sent before."""

    resume_token: str
    snapshot: ExecutionSnapshot


WatchMessage = Began | Happened | NothingNew | Ended | Resulted


class WatchExecution:
    """Sends a snapshot, each event once and in order, and the end."""

    def __init__(self, reader: ExecutionReader, offered: OfferedHandlers, hub: WatchHub) -> None:
        """Read with `reader`, woken by `hub`."""
        self._reader = reader
        self._offered = offered
        self._hub = hub

    async def __call__(self, key: ExecutionKey, resume_token: str) -> AsyncGenerator[WatchMessage, None]:
        """Yield messages until the execution ends or the stream is old; an empty token begins anew.

        Raises:
            ExecutionNotFound: There is no such execution.
            InvalidResumeToken: The token is malformed or of another execution.
            ResumeTokenInFuture: The token is beyond the newest event.
            InvalidRequest: The key is malformed.
            TooManyWatchers: This replica serves as many as it may.
            StoreUnavailable: The store does not answer.
        """
        check_key(key)
        tokens = ResumeTokens(key)
        seen = tokens.decode(resume_token) if resume_token else None
        record = await self._reader.record(key)
        async with self._hub.watch(key, record.partition) as feed:  # before reading: nothing is missed
            snapshot = await self._reader.snapshot(key)
            if seen is None:
                frozen = snapshot.frozen(await self._offered(key.namespace, snapshot.view))
                seen = frozen.view.last_sequence
                yield Began(tokens.encode(seen), frozen)
            _refuse_future(seen, snapshot.view.last_sequence)
            feed.reach(snapshot.view.last_sequence)
            async with aclosing(self._follow(feed, tokens, snapshot, seen)) as messages:
                async for message in messages:
                    yield message

    async def _follow(
        self, feed: EventFeed, tokens: ResumeTokens, snapshot: ExecutionSnapshot, seen: int
    ) -> AsyncGenerator[WatchMessage, None]:
        view = snapshot.view
        ended = view.status.is_terminal and seen == view.last_sequence
        age_limit = asyncio.get_running_loop().time() + self._hub.settings.lifetime
        while not ended and not self._is_over(age_limit):
            events = await self._next(feed, seen, age_limit)
            for event in events:
                seen = event.sequence
                yield Happened(tokens.encode(seen), event, view.graph)
            if not events:
                yield NothingNew(tokens.encode(seen))
            ended = bool(events) and isinstance(
                events[-1], ExecutionCompleted | ExecutionFailed | ExecutionCancelled
            )
        if ended:
            yield Ended(tokens.encode(seen), await self._reader.snapshot(snapshot.record.key))

    def _is_over(self, age_limit: float) -> bool:
        return self._hub.is_draining or asyncio.get_running_loop().time() >= age_limit

    async def _next(self, feed: EventFeed, seen: int, age_limit: float) -> Sequence[Event]:
        """Return the next events, or none when it is time for a bookmark."""
        soonest = min(asyncio.get_running_loop().time() + self._hub.settings.bookmark, age_limit)
        try:
            async with asyncio.timeout_at(soonest):
                return await feed.next(seen)
        except TimeoutError:
            return ()


def _refuse_future(seen: int, newest: int) -> None:
    if seen > newest:
        raise ResumeTokenInFuture(
            "the resume token is beyond the newest event", metadata={"last_sequence": str(newest)}
        )
