"""The events of one execution, for all who watch it on this replica."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.events import Event, user_bytes
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.history_store import HistoryStore

_BUFFERED_EVENTS = 256
_BUFFERED_BYTES = 1024 * 1024
_EVENT_BYTES = 200

NEWS = 8
"""How many events of one feed are read together with those of others."""

ReadNews = Callable[[tuple[ExecutionKey, int]], Awaitable[Sequence[Event] | None]]
"""Returns the events of an execution after a sequence: `NEWS` of them, or more, when there are."""


class EventFeed:
    """The newest events of one execution, read once for all who watch it here.

    A watcher that is further behind than the buffer reaches reads by itself.
    """

    def __init__(self, key: ExecutionKey, histories: HistoryStore, news: ReadNews) -> None:
        """Start empty, with everything unread."""
        self.key = key
        self.watchers = 0
        self._histories = histories
        self._news = news
        self._buffer: deque[Event] = deque()
        self._bytes = 0
        self._last = 0
        self._hinted = 1
        self._page = _BUFFERED_EVENTS
        self._turn = asyncio.Lock()
        self._reads = 0
        self._changed = asyncio.Event()
        self._closing = False

    def hint(self, sequence: int | None) -> None:
        """Note that there are events up to `sequence`, or that there may be any."""
        self._hinted = max(self._hinted, self._last + 1 if sequence is None else sequence)
        if self._hinted > self._last:
            self._wake()

    def reach(self, sequence: int) -> None:
        """Note that events up to `sequence` were read elsewhere: the buffer begins behind them."""
        if sequence > self._last:
            self._buffer.clear()
            self._bytes = 0
            self._last = sequence
            self._wake()

    def close(self) -> None:
        """Let all who wait go away empty-handed, now and later."""
        self._closing = True
        self._wake()

    async def next(self, position: int) -> Sequence[Event]:
        """Return events after `position`, waiting for them as long as it takes; none after `close`.

        Raises:
            StoreUnavailable: The store does not answer, or has deleted the history.
        """
        while not self._closing:
            if position < self._last:
                return self._buffered(position) or await self._read_again(position)
            if self._hinted > self._last:
                await self._advance()
            else:
                await self._changed.wait()
        return ()

    def _buffered(self, position: int) -> Sequence[Event]:
        if not self._buffer or self._buffer[0].sequence > position + 1:
            return ()
        return [event for event in self._buffer if event.sequence > position]

    async def _advance(self) -> None:
        """Read what is new, unless another watcher has just done so."""
        reads = self._reads
        async with self._turn:
            if self._reads > reads:
                return
            hinted = self._hinted
            events, is_full = await self._read_on()
            for event in events:
                self._keep(event)
            if is_full:
                self._hinted = max(self._hinted, self._last + NEWS + 1)  # there may be more
            elif self._hinted == hinted:
                self._hinted = self._last  # a hint of what is not there must not make us spin
            self._reads += 1
            self._wake()

    async def _read_on(self) -> tuple[Sequence[Event], bool]:
        """Return what comes next, and whether there may be more; a little is read with other feeds."""
        if self._page < _BUFFERED_EVENTS or self._hinted - self._last > NEWS:
            page = self._page
            events = await self._read(self._last)
            return events, len(events) >= page
        events = await self._news((self.key, self._last)) or ()
        self._fit_page(events)
        return events, len(events) >= NEWS

    async def _read_again(self, position: int) -> Sequence[Event]:
        """Return events that were there before."""
        events = await self._read(position)
        if not events:  # retention was faster; to answer with nothing would make the watcher spin
            raise StoreUnavailable("the history is not there any more; begin again", retry_after=1.0)
        return events

    async def _read(self, position: int) -> Sequence[Event]:
        events = await self._histories.read(self.key, after=position, limit=self._page)
        self._fit_page(events)
        return events

    def _fit_page(self, events: Sequence[Event]) -> None:
        is_heavy = sum(map(event_size, events)) > _BUFFERED_BYTES
        self._page = max(1, self._page // 4) if is_heavy else min(_BUFFERED_EVENTS, self._page * 2)

    def _keep(self, event: Event) -> None:
        if event.sequence != self._last + 1:  # `reach` went ahead of this read
            return
        self._buffer.append(event)
        self._bytes += event_size(event)
        self._last = event.sequence
        while len(self._buffer) > _BUFFERED_EVENTS or self._bytes > _BUFFERED_BYTES:
            self._bytes -= event_size(self._buffer.popleft())

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def event_size(event: Event) -> int:
    """Return about how many bytes an event is, for bounds on what is held at a time."""
    return _EVENT_BYTES + user_bytes(event)
