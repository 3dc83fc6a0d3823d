"""Time inside the engine: whole microseconds."""

from __future__ import annotations

from typing import NewType

Micros = NewType("Micros", int)
"""A moment as microseconds since 1970 UTC, or a span in microseconds."""

SECOND = Micros(1_000_000)


def micros(seconds: float) -> Micros:
    """Return a span given in seconds, rounded to the microsecond."""
    return Micros(round(seconds * SECOND))


def after(moment: Micros, span: Micros) -> Micros:
    """Return the moment `span` after `moment`."""
    return Micros(moment + span)
