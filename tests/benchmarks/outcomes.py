"""Whether what was fast was also right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from tests.benchmarks.stack import Stack

_SETTLING = 600.0
_POLL = 0.05

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
    connection = await asyncpg.connect(stack.database)
    try:
        async with asyncio.timeout(_SETTLING):
            while (await _row(connection, _CLOSED, ids))["closed"] < len(ids):
                await asyncio.sleep(_POLL)  # the system has no event for all of them
    finally:
        await connection.close()


async def check(stack: Stack, ids: Sequence[str], steps: int, handled: int) -> Outcome:
    """Return what the run left behind, when it is what it should be.

    Raises:
        WrongOutcome: An execution did not complete, a handler ran too often or
            not at all, or a history has a gap or too few events.
    """
    connection = await asyncpg.connect(stack.database)
    try:
        closed = await _row(connection, _CLOSED, ids)
        gaps = await connection.fetchval(_GAPS, ids)
        written = await _row(connection, _EVENTS, ids)
    finally:
        await connection.close()
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


async def _row(
    connection: asyncpg.Connection[asyncpg.Record], query: str, ids: Sequence[str]
) -> asyncpg.Record:
    row = await connection.fetchrow(query, ids)
    assert row is not None  # each of these queries aggregates
    return row
