"""The problems of a workflow, as many as are worth naming."""

from __future__ import annotations

from flowmesh_core.domain.errors import FieldViolation

_LONGEST = 300
"""Characters of a field or description; names that users send may be of any length."""


class Violations:
    """Collects problems up to a limit, and counts the rest."""

    def __init__(self, maximum: int) -> None:
        """Name at most `maximum` problems, one more line for the others included."""
        self._maximum = maximum
        self._found: list[FieldViolation] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, field: str, description: str, reason: str) -> None:
        """Add a problem of a field."""
        self._count += 1
        if self._count <= self._maximum:
            self._found.append(FieldViolation(_shortened(field), _shortened(description), reason))

    def all(self) -> tuple[FieldViolation, ...]:
        """Return the problems in the order they were found; the last one may stand for many."""
        if self._count <= self._maximum:
            return tuple(self._found)
        named = self._found[: self._maximum - 1]
        more = self._count - len(named)
        return (*named, FieldViolation("", f"{more:,} more problems", "TOO_MANY_VIOLATIONS"))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
