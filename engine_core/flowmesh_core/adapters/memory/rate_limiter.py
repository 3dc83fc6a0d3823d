"""The twin of the token buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.domain.time import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowmesh_core.adapters.memory.transport import MemoryTransport
    from flowmesh_core.ports.rate_limiter import Bucket


class MemoryRateLimiter:
    """A `RateLimiter`."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    async def acquire(self, buckets: Sequence[Bucket], cost: float) -> float:
        """Take tokens from every bucket, or from none."""
        self._transport.require()
        now = self._transport.clock.now()
        left = {each: self._level(each) - min(cost, each.burst) for each in buckets}
        wait = max((-tokens / bucket.rate for bucket, tokens in left.items()), default=0.0)
        if wait > 0:
            return wait
        for bucket, tokens in left.items():
            self._transport.buckets[bucket.name] = (tokens, now)
        return 0.0

    def _level(self, bucket: Bucket) -> float:
        now = self._transport.clock.now()
        tokens, at = self._transport.buckets.get(bucket.name, (bucket.burst, now))
        return min(bucket.burst, tokens + max(0, now - at) / SECOND * bucket.rate)
