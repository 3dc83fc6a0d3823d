"""Many deadlines behind one timer."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from math import inf
from typing import Generic, Protocol, TypeVar

_HORIZON = 10.0
"""Seconds after which an entry is looked at at the latest, so that what ended early is let go."""


class Perishable(Protocol):
    """Something with a deadline that may move to later."""

    def next_due(self) -> float:
        """Return the monotonic moment when it is to be looked at; infinity when it has ended."""


T = TypeVar("T", bound=Perishable)


class Deadlines(Generic[T]):
    """Things by when they are due.

    A thing has one entry here. Moving its deadline to later costs nothing: it
    is found when the old one comes up.

    Attributes:
        sooner: Set when something was added that is due before everything else.
    """

    def __init__(self) -> None:
        """Start with nothing to watch."""
        self.sooner = asyncio.Event()
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._heap)

    def watch(self, thing: T, now: float) -> None:
        """Watch a thing that is not watched."""
        due = min(thing.next_due(), now + _HORIZON)
        if due < self.earliest():
            self.sooner.set()
        heapq.heappush(self._heap, (due, next(self._order), thing))

    def earliest(self) -> float:
        """Return when to call `pop_due` next; infinity when there is nothing to watch."""
        return self._heap[0][0] if self._heap else inf

    def pop_due(self, now: float) -> list[T]:
        """Return what is due and watch it no longer; what has ended is forgotten."""
        due: list[T] = []
        later: list[T] = []
        self.sooner.clear()
        while self._heap and self._heap[0][0] <= now:
            thing = heapq.heappop(self._heap)[2]
            actual = thing.next_due()
            if actual <= now:
                due.append(thing)
            elif actual < inf:
                later.append(thing)
        for thing in later:
            self.watch(thing, now)
        return due
