"""How often, how soon and how long attempts run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.time import SECOND, Micros


class Jitter(IntEnum):
    """How retry waits are spread."""

    FULL = 1
    NONE = 2


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is tried again; see `RetryPolicy` in policy.proto.

    Names and meaning follow Temporal's retry policy, jitter follows the
    "full jitter" of the AWS Architecture Blog (Brooker, 2015).
    """

    initial_interval: Micros = SECOND
    backoff_coefficient: float = 2.0
    maximum_interval: Micros = Micros(60 * SECOND)
    maximum_attempts: int = 3
    non_retryable_error_types: tuple[str, ...] = ()
    jitter: Jitter = Jitter.FULL
    maximum_lost: int = 5

    def allows_retry(self, failure: Failure, failures: int) -> bool:
        """Say whether an attempt may follow after `failures` failed ones, the newest included."""
        return failures < self.maximum_attempts and failure.error_type not in self.non_retryable_error_types

    def delay(self, failures: int, spread_key: str) -> Micros:
        """Return the wait after `failures` failed attempts, at least 1.

        The spread is a hash of `spread_key` rather than a random number, so
        that the same history always folds to the same decision.
        """
        bound = self._bound(failures)
        if self.jitter is Jitter.NONE:
            return bound
        return Micros(bound * crc32(f"{spread_key}#{failures}".encode()) >> 32)

    def _bound(self, failures: int) -> Micros:
        try:
            grown = self.initial_interval * self.backoff_coefficient ** (failures - 1)
        except OverflowError:
            return self.maximum_interval
        return Micros(int(min(self.maximum_interval, grown)))


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The time limits of one attempt; `heartbeat` None means that the handler need not beat."""

    start_to_close: Micros = Micros(600 * SECOND)
    heartbeat: Micros | None = None
