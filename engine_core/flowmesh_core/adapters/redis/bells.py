"""Hearing which command logs have something new, without asking each of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis import keys

if TYPE_CHECKING:
    from collections.abc import Collection

    from flowmesh_core.adapters.redis.subscriptions import Subscriptions

_LONGEST_ROUND = 1.0
_SHORTEST_ROUND = 0.01
"""Seconds between rounds: looks at every log, for what no bell was rung for."""


class Bells:
    """The bells of one reader's logs: who adds to a log rings, and rounds find what was not heard.

    A round that finds something is followed by others soon, so that senders that do
    not ring at all, such as those of an earlier version, are heard within moments.
    """

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions
        self._clock = asyncio.get_running_loop().time
        self._watched: set[int] = set()
        self._rung: set[int] = set()
        self._silent: set[int] = set()
        self._round = _LONGEST_ROUND
        self._round_at = 0.0
        self.interrupts = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def watch(self, partitions: Collection[int]) -> None:
        """Hear these too; something may lie there already."""
        if not self._watched:
            self._subscriptions.join([keys.BELLS], self)
        self._watched.update(partitions)
        self.ring(partitions)

    def forget(self, partitions: Collection[int]) -> None:
        """Hear these no more."""
        known = self._watched.intersection(partitions)
        self._watched -= known
        self._rung -= known
        if known and not self._watched:
            self._subscriptions.leave([keys.BELLS], self)

    def ring(self, partitions: Collection[int]) -> None:
        """Have these looked at."""
        self._rung.update(partitions)
        self._wake()

    def interrupt(self) -> None:
        """Let all who wait go."""
        self.interrupts += 1
        self._wake()

    def put(self, message: bytes) -> None:
        """Hear bells; those of others, and what else is said on the channel, mean nothing."""
        rung = self._watched.intersection([int(word) for word in message.split() if word.isdigit()])
        if rung:
            self._silent -= rung
            self.ring(rung)

    def miss(self) -> None:
        """Note that bells may have been rung unheard."""
        self.ring(self._watched)

    async def rung(self, partitions: Collection[int], deadline: float, interrupts: int) -> list[int]:
        """Return those whose bells were rung since they were last taken.

        Waits for the first one, until `deadline` on the loop's clock, or until there
        were more `interrupts` than these.
        """
        found = self._heard(partitions)
        while not found and interrupts == self.interrupts and self._clock() < deadline:
            await self._changed(min(deadline, self._round_at))
            found = self._heard(partitions)
        return found

    def take(self, partitions: Collection[int]) -> None:
        """Note that these are being looked at."""
        self._rung.difference_update(partitions)

    def found(self, partitions: Collection[int]) -> None:
        """Hear in which of them something was."""
        if not self._silent.isdisjoint(partitions):
            self._round = _SHORTEST_ROUND
            self._round_at = self._clock() + self._round
        self._silent.difference_update(partitions)

    def _heard(self, partitions: Collection[int]) -> list[int]:
        if self._clock() >= self._round_at:
            self._go_round()
        return [each for each in partitions if each in self._rung] if self._rung else []

    def _go_round(self) -> None:
        self._round = min(_LONGEST_ROUND, 2 * self._round)
        self._round_at = self._clock() + self._round
        self._silent = self._watched - self._rung
        self._rung |= self._watched

    def _wake(self) -> None:
        for waiter in self._waiters:
            _resolve(waiter)

    async def _changed(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        timer = loop.call_at(until, _resolve, waiter)
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiters.discard(waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
