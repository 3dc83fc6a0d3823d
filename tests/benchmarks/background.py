"""What is there while a load runs: executions that wait on timers, and who watches them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

from flowmesh_core.adapters.codec.events import decode_events
from flowmesh_core.domain.events import NodeAttemptFailed
from tests.benchmarks.client_process import Job
from tests.benchmarks.stack import Stack, python_process
from tests.benchmarks.workloads import waiting

_PATIENCE = 120.0
_PER_PROCESS = 500
_LAST_ROWS = """
SELECT DISTINCT ON (execution_id) execution_id, schema_version, first_sequence, body FROM flowmesh.history
WHERE namespace = 'default' AND execution_id = ANY ($1::text[]) ORDER BY execution_id, first_sequence DESC
"""


@asynccontextmanager
async def waiting_executions(stack: Stack, count: int) -> AsyncIterator[list[str]]:
    """Have so many executions wait for a retry; needs workers with the failing handler."""
    if not count:
        yield []
        return
    job = Job([waiting()], 0, count, 2, "bulk")
    ids = (await stack.clients[0].run(job)).ids
    async with asyncio.timeout(_PATIENCE):
        missing = ids
        while missing := await _not_waiting(stack, missing):
            await asyncio.sleep(0.5)
    yield ids


async def _not_waiting(stack: Stack, ids: Sequence[str]) -> list[str]:
    """Return those whose newest event is not a failed attempt."""
    rows = await stack.observer.rows(_LAST_ROWS, ids)
    newest = {
        row["execution_id"]: decode_events(row["schema_version"], row["first_sequence"], row["body"])[-1]
        for row in rows
    }
    return [each for each in ids if not isinstance(newest.get(each), NodeAttemptFailed)]


@asynccontextmanager
async def watched(stack: Stack, ids: Sequence[str]) -> AsyncIterator[None]:
    """Have each of these executions watched by somebody, each from a stream of its own."""
    doors = stack.addresses("orchestration")
    with ExitStack() as processes:
        for number, start in enumerate(range(0, len(ids), _PER_PROCESS)):
            process = processes.enter_context(python_process("watcher_process", doors[number % len(doors)]))
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(list(ids[start : start + _PER_PROCESS])) + "\n")
            process.stdin.flush()
            async with asyncio.timeout(_PATIENCE):
                line = await asyncio.to_thread(process.stdout.readline)
            assert line, "watchers ended; their error is above"
        yield
