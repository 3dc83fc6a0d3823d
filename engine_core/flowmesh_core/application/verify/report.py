"""What was checked, how often, and what was wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

_SAMPLES = 20
"""So many violations of an invariant are told in words; the rest are counted."""


class Invariant(Enum):
    """What must hold, whatever fails."""

    ENDS = "I1"
    HISTORY = "I2"
    SUBMISSIONS = "I3"
    COMPLETIONS = "I4"
    FOLD = "I5"
    LATE_REPORTS = "I6"
    LEFTOVERS = "I7"
    TENANTS = "I8"
    WATCHERS = "I9"
    DUPLICATES = "I10"


TITLES = {
    Invariant.ENDS: "accepted executions end",
    Invariant.HISTORY: "histories are dense, ordered and have one end per node",
    Invariant.SUBMISSIONS: "acknowledged submissions exist, one per request id",
    Invariant.COMPLETIONS: "acknowledged reports and cancels are in the history",
    Invariant.FOLD: "records and dispatched marks agree with the history",
    Invariant.LATE_REPORTS: "superseded completions left no trace",
    Invariant.LEFTOVERS: "nothing is left in queues, pending lists and logs",
    Invariant.TENANTS: "tenants do not harm each other",
    Invariant.WATCHERS: "watchers saw every sequence once and in order",
    Invariant.DUPLICATES: "handlers ran what was scheduled, repeats are bounded",
}


@dataclass(slots=True)
class Tally:
    """One invariant: how many things were checked, and what was wrong.

    Attributes:
        invariant: Which one.
        checked: How many things were looked at.
        violations: How many of them were wrong.
        samples: The first of those in words.
        notes: Numbers that are neither right nor wrong.
    """

    invariant: Invariant
    checked: int = 0
    violations: int = 0
    samples: list[str] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The invariant in words."""
        return TITLES[self.invariant]

    def violated(self, subject: object, problem: str) -> None:
        """Count a violation."""
        self.violations += 1
        if len(self.samples) < _SAMPLES:
            self.samples.append(f"{subject}: {problem}")

    def require(self, holds: bool, subject: object, problem: str) -> None:
        """Count a check, and a violation unless it holds."""
        self.checked += 1
        if not holds:
            self.violated(subject, problem)

    def note(self, what: str, count: int = 1) -> None:
        """Add to a number."""
        self.notes[what] = self.notes.get(what, 0) + count


class Report:
    """All invariants, in order."""

    def __init__(self) -> None:
        """Start with nothing checked."""
        self._tallies = {invariant: Tally(invariant) for invariant in Invariant}

    def __getitem__(self, invariant: Invariant) -> Tally:
        """Return one of them."""
        return self._tallies[invariant]

    def __iter__(self) -> Iterator[Tally]:
        """Go through them in order."""
        return iter(self._tallies.values())

    @property
    def violations(self) -> int:
        """How many violations there are of all of them."""
        return sum(tally.violations for tally in self)
