"""How much a namespace and a client may ask for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from flowmesh_core.application.bounded_cache import BoundedCache
from flowmesh_core.domain.errors import RateLimited, StoreUnavailable
from flowmesh_core.domain.identity import NAME_PATTERN
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.rate_limiter import Bucket, RateLimiter
from flowmesh_core.ports.telemetry import Telemetry

_ADVANCE_SECONDS = 0.01
_ADVANCE_KEPT = 1.0
_PATIENCE = 0.25
_REST_AFTER_OUTAGE = 1.0
_CALLERS_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Items per second and how many at once; a `per_second` of 0 does not limit."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class SubmissionRates:
    """What submissions are held to, over all replicas; generous, so that only mistakes meet it."""

    per_namespace: Rate = Rate(per_second=50_000, burst=100_000)
    per_client: Rate = Rate(per_second=20_000, burst=50_000)


@dataclass(slots=True)
class _Advance:
    """Tokens taken ahead of need, so that a fast caller costs few round trips."""

    left: float
    until: float


class SubmissionRateLimit:
    """Admits submissions, or says when to come back.

    When the shared buckets do not answer, everything is admitted and counted:
    a limit protects the service, and must not be what takes it down.
    """

    def __init__(
        self, limiter: RateLimiter, clock: Clock, telemetry: Telemetry, rates: SubmissionRates
    ) -> None:
        """Hold callers to `rates` with the buckets of `limiter`."""
        self._limiter = limiter
        self._clock = clock
        self._telemetry = telemetry
        self._rates = rates
        self._advances: BoundedCache[tuple[str, str], _Advance] = BoundedCache(_CALLERS_KNOWN)
        self._open_until = float("-inf")

    async def admit(self, namespace: str, client: str, cost: int = 1) -> None:
        """Take `cost` tokens.

        Raises:
            RateLimited: The namespace or the client has used up its rate.
        """
        buckets = self._buckets(namespace, client)
        if buckets and not self._taken_ahead((namespace, client), cost):
            await self._take((namespace, client), buckets, cost)

    def _buckets(self, namespace: str, client: str) -> list[Bucket]:
        named = [(f"submit:client:{client}", self._rates.per_client)]
        if NAME_PATTERN.fullmatch(namespace):  # others are refused anyway
            named.append((f"submit:namespace:{namespace}", self._rates.per_namespace))
        return [Bucket(name, rate.per_second, rate.burst) for name, rate in named if rate.per_second > 0]

    def _taken_ahead(self, caller: tuple[str, str], cost: int) -> bool:
        now = self._clock.monotonic()
        if now < self._open_until:
            return True
        advance = self._advances.get(caller)
        if advance is None or advance.until <= now or advance.left < cost:
            return False
        advance.left -= cost
        return True

    async def _take(self, caller: tuple[str, str], buckets: list[Bucket], cost: int) -> None:
        chunk = max(cost, int(min(bucket.rate for bucket in buckets) * _ADVANCE_SECONDS))
        wait = await self._acquire(buckets, chunk)
        if wait > 0 and chunk > cost:
            chunk = cost
            wait = await self._acquire(buckets, chunk)
        if wait > 0:
            self._telemetry.count("flowmesh.submissions.rate_limited", cost)
            raise RateLimited(
                "the namespace or the client has used up its submission rate",
                metadata={"namespace": caller[0]},
                retry_after=wait,
            )
        if chunk > cost:
            kept = _Advance(chunk - cost, self._clock.monotonic() + _ADVANCE_KEPT)
            self._advances.put(caller, kept)

    async def _acquire(self, buckets: list[Bucket], cost: float) -> float:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._limiter.acquire(buckets, cost)
        except (StoreUnavailable, TimeoutError):
            self._telemetry.count("flowmesh.outages.rate_limit")
            self._open_until = self._clock.monotonic() + _REST_AFTER_OUTAGE
            return 0.0
