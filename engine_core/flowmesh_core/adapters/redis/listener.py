"""What a listener of a channel gets to see."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from flowmesh_core.ports.undecodable import Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowmesh_core.adapters.feed import Feed
    from flowmesh_core.ports.telemetry import Telemetry

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Listener(Generic[T]):
    """The decoded items of a feed, without end; `decode` gets None when something may have been missed."""

    def __init__(
        self, feed: Feed[bytes], decode: Callable[[bytes | None], Sequence[T]], telemetry: Telemetry
    ) -> None:
        self._feed = feed
        self._decode = decode
        self._telemetry = telemetry
        self._ready: deque[T] = deque()

    def __aiter__(self) -> Listener[T]:
        """Iterate."""
        return self

    async def __anext__(self) -> T:
        """Return the next item."""
        while not self._ready:
            self._ready.extend(self._decoded(await self._feed.get()))
        return self._ready.popleft()

    def _decoded(self, body: bytes | None) -> Sequence[T]:
        try:
            return self._decode(body)
        except Undecodable as error:
            _log.warning("a message could not be read: %s", error)
            self._telemetry.count("flowmesh.messages.undecodable")
            return self._decode(None)
