"""Wake-ups for those who watch executions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from flowmesh_core.domain.identity import ExecutionKey


class WatchHints(Protocol):
    """Says that executions have new events. The outbox sends, this receives. Hints may be missed."""

    def subscribe(
        self, partition: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Mapping[ExecutionKey, int]]]:
        """Open a stream of (execution → last sequence).

        It is a hint: it may repeat and it may miss. On entry it is active. An
        empty mapping means that something may have been missed.
        """

    def closings(self) -> AbstractAsyncContextManager[AsyncIterator[Collection[ExecutionKey]]]:
        """Open a stream of executions that closed, of all partitions, in batches.

        On entry it is active. An empty batch means that something may have been missed.
        """
