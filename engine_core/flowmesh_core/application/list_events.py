"""Listing the history of an execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowmesh_core.application.execution_reader import ExecutionReader
from flowmesh_core.application.page_token import PageTokens
from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.history_store import HistoryStore


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
        """Return one page.

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
        found = await self._histories.read(key, after=after, limit=size + 1)
        page = found[:size]
        token = tokens.encode(page[-1].sequence) if len(found) > size else ""
        return EventPage(page, await self._reader.graph(record), token)
