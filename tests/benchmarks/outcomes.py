"""Whether what was fast was also right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from flowmesh_core.adapters.codec.events import decode_events
from flowmesh_core.domain.events import NodeCompleted, NodeScheduled
from flowmesh_core.domain.time import SECOND
from tests.benchmarks.stack import Stack

_SETTLING = 600.0
_POLL = 0.05
_SAMPLED = 100

_CLOSED = """
SELECT count(*) FILTER (WHERE status = 'COMPLETED') AS completed,
    count(*) FILTER (WHERE closed_at IS NOT NULL) AS closed,
    max(closed_at) / 1e6 AS ended
FROM flowmesh.execution WHERE namespace = 'default' AND execution_id = ANY ($1::text[])
"""
_GAPS = """
SELECT count(*) FROM (
    SELECT first_sequence, coalesce(
        lag(last_sequence) OVER (PARTITION BY execution_id ORDER BY first_sequence), 0
    ) AS before
    FROM flowmesh.history WHERE namespace = 'default' AND execution_id = ANY ($1::text[])
) AS row WHERE first_sequence <> before + 1
"""
_EVENTS = """
SELECT count(DISTINCT execution_id) AS executions, sum(last_sequence - first_sequence + 1) AS events,
    count(*) AS rows, sum(length(body)) AS bytes
FROM flowmesh.history WHERE namespace = 'default' AND execution_id = ANY ($1::text[])
"""
_HISTORY = """
SELECT schema_version, first_sequence, body FROM flowmesh.history
WHERE namespace = 'default' AND execution_id = $1 ORDER BY first_sequence
"""


class WrongOutcome(AssertionError):
    """A run that was measured did not do what it should have."""


@dataclass(frozen=True)
class Outcome:
    """What a run left behind; `ended` is on the wall clock."""

    ended: float
    events: int
    history_rows: int
    history_bytes: int


async def settle(stack: Stack, ids: Sequence[str]) -> None:
    """Return when all executions are closed."""
    async with asyncio.timeout(_SETTLING):
        while (await stack.observer.row(_CLOSED, ids))["closed"] < len(ids):
            await asyncio.sleep(_POLL)  # the system has no event for all of them


async def check(stack: Stack, ids: Sequence[str], steps: int, handled: int) -> Outcome:
    """Return what the run left behind, when it is what it should be.

    Raises:
        WrongOutcome: An execution did not complete, a handler ran too often or
            not at all, or a history has a gap or too few events.
    """
    observer = stack.observer
    closed = await observer.row(_CLOSED, ids)
    gaps = await observer.value(_GAPS, ids)
    written = await observer.row(_EVENTS, ids)
    problems = []
    if len(set(ids)) != len(ids) or closed["completed"] != len(ids):
        problems.append(f"{closed['completed']} of {len(ids)} executions are COMPLETED")
    if handled != steps:
        problems.append(f"handlers ran {handled} times instead of {steps}")
    # Started and completed of each execution, scheduled and completed of each node.
    least = 2 * len(ids) + 2 * steps
    if gaps or written["executions"] != len(ids) or written["events"] < least:
        problems.append(f"{gaps} gaps in histories of {written['events']} events, at least {least} expected")
    if problems:
        raise WrongOutcome("; ".join(problems))
    return Outcome(float(closed["ended"]), int(written["events"]), written["rows"], int(written["bytes"]))


async def step_seconds(stack: Stack, ids: Sequence[str]) -> list[float]:
    """Return, ordered, how long steps of some of the executions took: ready until recorded as completed."""
    found: list[float] = []
    for each in ids[:: max(1, len(ids) // _SAMPLED)]:
        ready: dict[int, int] = {}
        for row in await stack.observer.rows(_HISTORY, each):
            for event in decode_events(row["schema_version"], row["first_sequence"], row["body"]):
                if isinstance(event, NodeScheduled):
                    ready[event.node] = event.at
                elif isinstance(event, NodeCompleted):
                    found.append((event.at - ready[event.node]) / SECOND)
    return sorted(found)
