"""A bounded buffer between a channel and one listener."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """Keeps the newest items for one listener, and whether any got lost before them."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._missed = False
        self._ready = asyncio.Event()

    def put(self, item: T) -> None:
        """Add an item, dropping the oldest one when the buffer is full."""
        if len(self._items) == self._capacity:
            self._items.popleft()
            self._missed = True
        self._items.append(item)
        self._ready.set()

    def miss(self) -> None:
        """Note that items may have been lost."""
        self._missed = True
        self._ready.set()

    async def get(self) -> T | None:
        """Return the next item; None once when items before it may have been lost."""
        await self._ready.wait()
        missed, self._missed = self._missed, False
        item = None if missed else self._items.popleft()
        if not self._items:
            self._ready.clear()
        return item
