"""Whether what was measured is worse than it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

Counts = Mapping[str, Mapping[str, float]]

BASELINE = Path(__file__).with_name("baseline.json")

_TOLERANCE = {"chain": 1.03, "fan": 1.25, "bulk": 1.25, "idle": 1.25}
"""One step at a time asks for the same each time; how many go together is up to the moment."""
_SLACK = {"chain": 0.01, "fan": 0.2, "bulk": 0.2, "idle": 3.0}
"""Per step: what an idle system asks now and then, and some batches; when idle, a sweep more a second."""
_DEARER = 1.5
_LOWER = 0.5


def baseline() -> Counts:
    """Return what a step, and a second without one, asked of the stores when somebody last looked."""
    known: Counts = json.loads(BASELINE.read_text())
    return known


def renew(counts: Counts) -> None:
    """Make this what later code is held to."""
    rounded = {load: {name: round(value, 3) for name, value in each.items()} for load, each in counts.items()}
    BASELINE.write_text(json.dumps(rounded, indent=1) + "\n")


def excesses(known: Counts, found: Counts) -> list[str]:
    """Name every count that grew, and every one that nobody ever looked at."""
    problems = []
    for load, counts in found.items():
        for name, value in counts.items():
            bound = known.get(load, {}).get(name)
            if bound is None:
                problems.append(f"{load}: {name} has no baseline")
            elif value > bound * _TOLERANCE[load] + _SLACK[load]:
                problems.append(f"{load}: {value:.3f} {name}, {bound:.3f} before")
    return problems


def savings(known: Counts, found: Counts) -> list[str]:
    """Name every count that shrank, so that the baseline can be renewed."""
    return [
        f"{load}: {value:.3f} {name}, {known[load][name]:.3f} before"
        for load, counts in found.items()
        for name, value in counts.items()
        if value * _TOLERANCE[load] + _SLACK[load] < known.get(load, {}).get(name, 0.0)
    ]


def is_dearer(cpu: float, earlier: float) -> bool:
    """Say whether a step costs clearly more CPU than with the earlier code, in the same minute."""
    return cpu > earlier * _DEARER


def is_lower(share: float, known: float) -> bool:
    """Say whether the share of the ceiling, measured in the same minute, is clearly lower than it was."""
    return share < known * _LOWER
