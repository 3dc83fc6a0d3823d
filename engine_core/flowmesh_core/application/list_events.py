"""Listing the history of an execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowmesh_core.application.event_feed import event_size
from flowmesh_core.application.execution_reader import ExecutionReader
from flowmesh_core.application.page_bytes import PAGE_BYTES, fitting
from flowmesh_core.application.page_token import PageTokens
from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.history_store import HistoryStore

_CHUNK = 100


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, the graph that names their nodes, and the token of the next page."""

    events: Sequence[Event]
    graph: Graph
    next_page_token: str


class ListEvents:
    """Lists the events of an execution, the oldest first."""

    def __init__(self, reader: ExecutionReader, histories: HistoryStore) -> None:
        """Read from these."""
        self._reader = reader
        self._histories = histories

    async def __call__(self, key: ExecutionKey, page_size: int, page_token: str) -> EventPage:
        """Return one page; it is shorter than asked for when its outputs or failures are large.

        Raises:
            ExecutionNotFound: There is no such execution.
            InvalidRequest: A field is malformed, or the token was not given for this execution.
            StoreUnavailable: The store does not answer.
        """
        check = RequestCheck()
        check.key(key)
        size = check.page_size(page_size)
        check.refuse_if_wrong()
        tokens = PageTokens("events", *key)
        after = int(tokens.decode(page_token, (int,))[0]) if page_token else 0
        record = await self._reader.record(key)
        found, is_end = await self._read(key, after, size)
        page = fitting(found[:size], event_size)
        is_last = is_end and len(page) == len(found)
        token = "" if is_last else tokens.encode(page[-1].sequence)
        return EventPage(page, await self._reader.graph(record), token)

    async def _read(self, key: ExecutionKey, after: int, size: int) -> tuple[list[Event], bool]:
        """Return the next events, no more than a page needs, and whether they are the last."""
        found: list[Event] = []
        weight = 0
        while len(found) <= size and weight <= PAGE_BYTES:
            chunk = await self._histories.read(key, after=after, limit=_CHUNK)
            found.extend(chunk)
            if len(chunk) < _CHUNK:
                return found, True
            weight += sum(map(event_size, chunk))
            after = chunk[-1].sequence
        return found, False
