"""Waiting for the end of an execution."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from flowmesh_core.application.closings import Closings
from flowmesh_core.application.execution_reader import ExecutionReader, ExecutionSnapshot
from flowmesh_core.application.request_check import check_key
from flowmesh_core.application.resume_token import ResumeTokens
from flowmesh_core.application.watch_execution import NothingNew, Resulted
from flowmesh_core.application.watch_hub import WatchHub
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.execution_store import ExecutionRecord


class AwaitExecution:
    """Sends the end of an execution and nothing before it, and reads its history once."""

    def __init__(self, reader: ExecutionReader, closings: Closings, hub: WatchHub) -> None:
        """Read with `reader` what `closings` say has closed; `hub` admits."""
        self._reader = reader
        self._closings = closings
        self._hub = hub

    async def __call__(self, key: ExecutionKey) -> AsyncGenerator[NothingNew | Resulted, None]:
        """Yield signs of life until the execution ends or the stream is old.

        Raises:
            ExecutionNotFound: There is no such execution.
            InvalidRequest: The key is malformed.
            TooManyWatchers: This replica serves as many as it may.
            StoreUnavailable: The store does not answer.
        """
        check_key(key)
        settings, now = self._hub.settings, asyncio.get_running_loop().time
        with self._hub.admitted(), self._closings.expect(key) as closed:
            record = await self._reader.record(key)
            age_limit, bookmark_at = now() + settings.lifetime, now() + settings.bookmark
            may_have_ended = record.status.is_terminal
            while not (may_have_ended and (snapshot := await self._fold(record)).view.status.is_terminal):
                if self._hub.is_draining or now() >= age_limit:
                    return
                if now() >= bookmark_at:
                    yield NothingNew("")
                    bookmark_at = now() + settings.bookmark
                await _set_within(closed, settings.poll)
                may_have_ended = True
            yield Resulted(ResumeTokens(key).encode(snapshot.view.last_sequence), snapshot)

    async def _fold(self, record: ExecutionRecord) -> ExecutionSnapshot:
        return await self._reader.fold(record, keep_closed=False)  # who has a result does not come back


async def _set_within(signal: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await signal.wait()
    except TimeoutError:
        return
    signal.clear()
