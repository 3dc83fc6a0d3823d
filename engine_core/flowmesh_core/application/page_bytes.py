"""How much of a list one answer holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

PAGE_BYTES = 2 * 1024 * 1024
"""Leaves room in the 4 MiB that gRPC clients accept by default."""


def fitting(items: Sequence[T], size_of: Callable[[T], int]) -> Sequence[T]:
    """Return the first items up to the bytes of a page, at least one if there are any."""
    weight = 0
    for count, item in enumerate(items):
        weight += size_of(item)
        if count and weight > PAGE_BYTES:
            return items[:count]
    return items
