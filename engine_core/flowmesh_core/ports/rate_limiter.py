"""Token buckets that all replicas share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: refilled with `rate` tokens a second, holding at most `burst`."""

    name: str
    rate: float
    burst: float


class RateLimiter(Protocol):
    """Keeps the buckets, on the clock of the store. May raise `StoreUnavailable`."""

    async def acquire(self, buckets: Sequence[Bucket], cost: float) -> float:
        """Take `cost` tokens from every bucket, or from none.

        Returns 0.0 when they were taken, else the seconds until the emptiest
        bucket will have enough. A cost over a bucket's burst counts as its burst.
        """
