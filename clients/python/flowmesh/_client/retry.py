"""When a failed call is tried again."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

from flowmesh._errors import DeadlineExceededError, RateLimitedError, ServiceError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_WAIT: Final = 0.05
LONGEST_WAIT: Final = 5.0


class Backoff:
    """Waits that double from one to the next, each at a random point of its upper half."""

    def __init__(self, first: float = FIRST_WAIT, longest: float = LONGEST_WAIT) -> None:
        self._first, self._bound, self._longest = first, first, longest

    def next(self, at_least: float | None = None) -> float:
        """Seconds to wait before the next try; more than `at_least` where that is given."""
        bound, self._bound = self._bound, min(self._longest, self._bound * 2)
        spread = bound * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        return spread + (at_least or 0.0)

    def limit(self, longest: float) -> None:
        """Wait no longer than this from now on."""
        self._longest = longest
        self._bound = min(self._bound, longest)

    def reset(self) -> None:
        """Start over with the first wait."""
        self._bound = self._first


class Attempts:
    """The tries of one unary call, within one deadline."""

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline = clock() + timeout
        self._backoff = Backoff()
        self._last: ServiceError | None = None

    def remaining(self) -> float:
        """Seconds that the next try may take."""
        return max(0.001, self._deadline - self._clock())

    def delay_or_raise(self, error: ServiceError) -> float:
        """Seconds to wait before the next try.

        Raises:
            ServiceError: The error, or the one before it that tells more, when
                a further try would not help or would come after the deadline.
        """
        if isinstance(error, DeadlineExceededError) and self._last is not None:
            raise self._last
        delay = self._backoff.next(error.retry_after)
        if not may_pass(error) or self._clock() + delay >= self._deadline:
            raise error
        self._last = error
        return delay


def may_pass(error: ServiceError) -> bool:
    """Whether the same call may succeed later. Too large a message never will, a full bucket says when."""
    if isinstance(error, RateLimitedError):
        return error.retry_after is not None
    return isinstance(error, UnavailableError)
