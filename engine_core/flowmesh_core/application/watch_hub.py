"""Many watchers of one process, few subscriptions and reads."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from flowmesh_core.application.backoff import Backoff
from flowmesh_core.application.event_feed import NEWS, EventFeed
from flowmesh_core.application.gathered_reads import GatheredReads
from flowmesh_core.domain.errors import StoreUnavailable, TooManyWatchers
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.history_store import HistoryStore
from flowmesh_core.ports.telemetry import Telemetry
from flowmesh_core.ports.watch_hints import WatchHints

_logger = logging.getLogger(__name__)

_SUBSCRIBE_PATIENCE = 2.0
_POLLED_TOGETHER = 1_000
_READ_TOGETHER = 64

_Position = tuple[ExecutionKey, int]
"""An execution, and the sequence up to which its events are known."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Limits of the watchers of one process; times in seconds.

    Attributes:
        maximum_watchers: How many streams may be open.
        poll: How often it is looked for news of which no hint came, for all executions together.
        bookmark: The longest silence of a stream.
        lifetime: When a stream is ended, to be resumed elsewhere.
        patience: How long a watcher may take to read a message before its stream is ended.
    """

    maximum_watchers: int = 10_000
    poll: float = 2.0
    bookmark: float = 15.0
    lifetime: float = 1_800.0
    patience: float = 30.0


class WatchHub:
    """Opens one subscription per partition that is watched, one feed per execution, and polls for all."""

    def __init__(
        self,
        hints: WatchHints,
        histories: HistoryStore,
        clock: Clock,
        telemetry: Telemetry,
        settings: WatchSettings,
    ) -> None:
        """Serve at most `settings.maximum_watchers`."""
        self._hints = hints
        self._histories = histories
        self._clock = clock
        self._telemetry = telemetry
        self._settings = settings
        self._news = GatheredReads(self._read_news, _READ_TOGETHER)
        self._feeds: dict[ExecutionKey, EventFeed] = {}
        self._partitions: dict[int, _PartitionListener] = {}
        self._poller: _Poller | None = None
        self._watchers = 0
        self._draining = False

    @property
    def settings(self) -> WatchSettings:
        """What streams are held to."""
        return self._settings

    @property
    def is_draining(self) -> bool:
        """Whether streams are to end, to be resumed on another replica."""
        return self._draining

    def drain(self) -> None:
        """End every stream."""
        self._draining = True
        for feed in self._feeds.values():
            feed.close()

    @asynccontextmanager
    async def watch(self, key: ExecutionKey, partition: int) -> AsyncIterator[EventFeed]:
        """Give the feed of an execution; on entry hints arrive, or polling stands in for them.

        Raises:
            TooManyWatchers: This process serves as many as it may.
            StoreUnavailable: It shuts down.
        """
        with self.admitted():
            feed = self._join(key, partition)
            try:
                await self._partitions[partition].ready()
                yield feed
            finally:
                await self._leave(feed, partition)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a stream in while it is open.

        Raises:
            TooManyWatchers: This process serves as many as it may.
            StoreUnavailable: It shuts down.
        """
        if self._draining:
            raise StoreUnavailable("the server shuts down", retry_after=0.0)
        if self._watchers >= self._settings.maximum_watchers:
            raise TooManyWatchers("this server has as many watchers as it may", retry_after=1.0)
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    async def _read_news(self, wanted: Collection[_Position]) -> Mapping[_Position, Sequence[Event]]:
        """Read for many feeds; an execution may be among them twice while its feed is replaced."""
        positions: dict[ExecutionKey, int] = {}
        for key, after in wanted:
            positions[key] = min(after, positions.get(key, after))
        found = await self._histories.read_new(positions, limit=NEWS)
        return {
            (key, after): [event for event in found.get(key, ()) if event.sequence > after]
            for key, after in wanted
        }

    def _count(self, change: int) -> None:
        self._watchers += change
        self._telemetry.level("flowmesh.watchers.open", self._watchers)

    def _join(self, key: ExecutionKey, partition: int) -> EventFeed:
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = EventFeed(key, self._histories, self._news.get)
            if self._poller is None:
                self._poller = _Poller(self._histories, self._feeds, self._clock, self._settings.poll)
        feed.watchers += 1
        listener = self._partitions.get(partition)
        if listener is None:
            listener = _PartitionListener(self._hints, partition, self._feeds, Backoff(self._clock))
            self._partitions[partition] = listener
        listener.watchers += 1
        return feed

    async def _leave(self, feed: EventFeed, partition: int) -> None:
        feed.watchers -= 1
        if not feed.watchers:
            del self._feeds[feed.key]
        listener = self._partitions[partition]
        listener.watchers -= 1
        if not listener.watchers:
            del self._partitions[partition]
            await listener.close()
        if not self._feeds and self._poller is not None:
            poller, self._poller = self._poller, None
            await poller.close()


class _Poller:
    """Looks for news of which no hint came; ends with the last feed."""

    def __init__(
        self, histories: HistoryStore, feeds: Mapping[ExecutionKey, EventFeed], clock: Clock, interval: float
    ) -> None:
        self._histories = histories
        self._feeds = feeds
        self._clock = clock
        self._interval = interval
        self._task = asyncio.create_task(self._poll(), name="watch poll", context=contextvars.Context())

    async def close(self) -> None:
        """Look no more."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _poll(self) -> None:
        while True:
            await self._clock.sleep(self._interval)
            keys = list(self._feeds)
            for start in range(0, len(keys), _POLLED_TOGETHER):
                await self._look(keys[start : start + _POLLED_TOGETHER])

    async def _look(self, keys: Sequence[ExecutionKey]) -> None:
        try:
            newest: Mapping[ExecutionKey, int | None] = await self._histories.newest(keys)
        except StoreUnavailable:
            newest = dict.fromkeys(keys)  # each looks for itself, and its watchers hear of it
        except Exception:
            _logger.exception("cannot look for news of %d executions", len(keys))
            newest = dict.fromkeys(keys)
        for key, sequence in newest.items():
            if (feed := self._feeds.get(key)) is not None:
                feed.hint(sequence)


class _PartitionListener:
    """Passes the hints of one partition on to the feeds; ends with its last watcher."""

    def __init__(
        self, hints: WatchHints, partition: int, feeds: Mapping[ExecutionKey, EventFeed], backoff: Backoff
    ) -> None:
        self.watchers = 0
        self._hints = hints
        self._partition = partition
        self._feeds = feeds
        self._backoff = backoff
        self._active = asyncio.Event()
        # In a context of its own: it outlives the call that happens to begin it.
        self._task = asyncio.create_task(
            self._listen(), name=f"watch hints {partition}", context=contextvars.Context()
        )

    async def ready(self) -> None:
        """Return when hints arrive, or after a while without them."""
        try:
            async with asyncio.timeout(_SUBSCRIBE_PATIENCE):
                await self._active.wait()
        except TimeoutError:
            _logger.warning("no watch hints of partition %d: polling", self._partition)

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _listen(self) -> None:
        while True:
            try:
                await self._pass_on()
            except StoreUnavailable as error:
                _logger.warning("no watch hints of partition %d: %s", self._partition, error)
            except Exception:  # watchers poll meanwhile
                _logger.exception("no watch hints of partition %d", self._partition)
            await self._backoff.wait()

    async def _pass_on(self) -> None:
        async with self._hints.subscribe(self._partition) as stream:
            if self._active.is_set():  # subscribed again
                self._something_missed()
            self._active.set()
            self._backoff.reset()
            async for changes in stream:
                for key, sequence in changes.items():
                    if (feed := self._feeds.get(key)) is not None:
                        feed.hint(sequence)
                if not changes:
                    self._something_missed()

    def _something_missed(self) -> None:
        for feed in self._feeds.values():
            feed.hint(None)
