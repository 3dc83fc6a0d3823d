"""Executions that close, for those who wait for nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from flowmesh_core.application.backoff import Backoff
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.watch_hints import WatchHints

_log = logging.getLogger(__name__)


class Closings:
    """Wakes who waits for an execution when it may have closed: one subscription serves all."""

    def __init__(self, hints: WatchHints, clock: Clock) -> None:
        """Hear of closings from `hints`."""
        self._hints = hints
        self._waiting: dict[ExecutionKey, list[asyncio.Event]] = {}
        self._backoff = Backoff(clock)

    async def run(self) -> None:
        """Wake until cancelled. Who waits must look by himself now and then: closings may be missed."""
        while True:
            try:
                async with self._hints.closings() as batches:
                    self.wake_all()  # what closed before was not heard of
                    self._backoff.reset()
                    async for batch in batches:
                        self._wake_some(batch)
            except StoreUnavailable as error:
                _log.warning("cannot hear of executions that close: %s", error)
            await self._backoff.wait()

    @contextmanager
    def expect(self, key: ExecutionKey) -> Iterator[asyncio.Event]:
        """Return what is set whenever an execution may have closed."""
        closed = asyncio.Event()
        self._waiting.setdefault(key, []).append(closed)
        try:
            yield closed
        finally:
            others = self._waiting[key]
            others.remove(closed)
            if not others:
                del self._waiting[key]

    def wake_all(self) -> None:
        """Let everyone look."""
        self._wake(self._waiting)

    def _wake_some(self, batch: Collection[ExecutionKey]) -> None:
        self._wake(batch or self._waiting)

    def _wake(self, keys: Iterable[ExecutionKey]) -> None:
        for key in keys:
            for closed in self._waiting.get(key, ()):
                closed.set()
