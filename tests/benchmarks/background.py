"""What is there while a load runs: executions that wait on timers, and who watches them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field

from flowmesh_core.adapters.codec.events import decode_events
from flowmesh_core.domain.events import NodeAttemptFailed
from tests.benchmarks.client_process import Job
from tests.benchmarks.stack import Stack, python_process
from tests.benchmarks.workloads import waiting

_PATIENCE = 120.0
_PER_PROCESS = 500
_TOGETHER = 10_000
_LAST_ROWS = """
SELECT DISTINCT ON (execution_id) execution_id, schema_version, first_sequence, body FROM flowmesh.history
WHERE namespace = 'default' AND execution_id = ANY ($1::text[]) ORDER BY execution_id, first_sequence DESC
"""


async def waiting_executions(stack: Stack, count: int) -> list[str]:
    """Have so many executions wait for a retry; needs workers with the failing handler."""
    ids: list[str] = []
    while len(ids) < count:  # not all at once, which would be refused as too much
        job = Job([waiting()], len(ids), min(_TOGETHER, count - len(ids)), 2, "bulk")
        fresh = (await stack.clients[0].run(job)).ids
        ids += fresh
        async with asyncio.timeout(_PATIENCE):
            while fresh := await _not_waiting(stack, fresh):
                await asyncio.sleep(0.5)
    return ids


async def _not_waiting(stack: Stack, ids: Sequence[str]) -> list[str]:
    """Return those whose newest event is not a failed attempt."""
    rows = await stack.observer.rows(_LAST_ROWS, ids)
    newest = {
        row["execution_id"]: decode_events(row["schema_version"], row["first_sequence"], row["body"])[-1]
        for row in rows
    }
    return [each for each in ids if not isinstance(newest.get(each), NodeAttemptFailed)]


@asynccontextmanager
async def watched(stack: Stack, ids: Sequence[str]) -> AsyncIterator[Watchers]:
    """Have each of these watched by somebody, from a stream of its own; an id may come more than once."""
    doors = stack.addresses("orchestration")
    with ExitStack() as processes:
        watchers = Watchers()
        for number, start in enumerate(range(0, len(ids), _PER_PROCESS)):
            process = processes.enter_context(python_process("watcher_process", doors[number % len(doors)]))
            assert process.stdin is not None
            process.stdin.write(json.dumps(list(ids[start : start + _PER_PROCESS])) + "\n")
            process.stdin.flush()
            watchers.processes.append(process)
        await watchers.say("ready")
        yield watchers


@dataclass
class Watchers:
    """Processes with watchers."""

    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    async def say(self, word: str) -> None:
        """Wait until all said that they are `ready`, or `done`."""
        for process in self.processes:
            assert process.stdout is not None
            async with asyncio.timeout(_PATIENCE):
                line = await asyncio.to_thread(process.stdout.readline)
            assert line.strip() == word, "watchers ended; their error is above"
