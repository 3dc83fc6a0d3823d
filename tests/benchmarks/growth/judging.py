"""Whether a cost grows as it should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_TOLERANCE = 0.2
_TAIL = 3


@dataclass(frozen=True)
class Metric:
    """A cost.

    Attributes:
        key: What points call it.
        label: What it is, with its unit.
        linear: Whether it may grow with the size; else it must not.
    """

    key: str
    label: str
    linear: bool = False


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the power of the size that the cost follows, fitted to the logarithms; those of 0 left out."""
    pairs = [(math.log(size), math.log(cost)) for size, cost in zip(sizes, costs, strict=True) if cost > 0]
    if len(pairs) < 2:
        return 0.0
    middle = sum(x for x, _ in pairs) / len(pairs)
    level = sum(y for _, y in pairs) / len(pairs)
    spread = sum((x - middle) ** 2 for x, _ in pairs)
    return sum((x - middle) * (y - level) for x, y in pairs) / spread


def tail_exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return it for the largest sizes, where what grows faster outweighs what is fixed."""
    return exponent(sizes[-_TAIL:], costs[-_TAIL:])


def is_steeper(metric: Metric, found: float) -> bool:
    """Say whether the power is larger than it should be."""
    return found > (1.0 if metric.linear else 0.0) + _TOLERANCE
