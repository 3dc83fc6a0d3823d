"""Token buckets in Redis, on its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis import keys, scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.ports.rate_limiter import Bucket


class RedisRateLimiter:
    """A `RateLimiter`; a bucket's key expires when it is full again."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def acquire(self, buckets: Sequence[Bucket], cost: float) -> float:
        """Take tokens from every bucket, or from none."""
        levels = (number for bucket in buckets for number in (bucket.rate, bucket.burst))
        names = [keys.bucket(bucket.name) for bucket in buckets]
        return float(await self._client.call(*scripts.ACQUIRE.command(names, cost, *levels)))
