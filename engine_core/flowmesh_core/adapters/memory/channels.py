"""Channels that only those who listen get to hear."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from flowmesh_core.adapters.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

T = TypeVar("T")


class Channels(Generic[T]):
    """Named channels with any number of listeners each."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._feeds: dict[str, dict[Feed[T], None]] = {}

    def publish(self, name: str, item: T) -> None:
        """Give an item to all who listen now, in the order in which they came."""
        for feed in self._feeds.get(name, ()):
            feed.put(item)

    def interrupt(self) -> None:
        """Let every listener know that it may have missed something, as a broken connection does."""
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.miss()

    @contextmanager
    def listen(self, names: Collection[str]) -> Iterator[Feed[T]]:
        """Listen to channels."""
        feed: Feed[T] = Feed(self._capacity)
        for name in names:
            self._feeds.setdefault(name, {})[feed] = None
        try:
            yield feed
        finally:
            for name in names:
                self._feeds[name].pop(feed, None)
