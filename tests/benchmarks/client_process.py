"""A client as a user would write it: jobs in on stdin, what came of them out on stdout, a line each.

`python -m tests.benchmarks.client_process SUBMISSION ORCHESTRATION`
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from flowmesh import AsyncClient, End, Event, ServiceError, Snapshot, WatchItem, Workflow
from flowmesh import Submission as Item

_CHUNK = 500


@dataclass(frozen=True)
class Job:
    """What a client is told to do.

    Attributes:
        workflows: The graphs to run in turn, as JSON; all are registered before the clock starts.
        first: The number of the first execution.
        count: How many executions.
        concurrency: How many of them at once, or how many calls when nobody waits for results.
        style: `result` waits for the end of each, `watch` for it by following every event, `submit` for its
            acceptance, `bulk` submits 500 in a call.
    """

    workflows: list[dict[str, Any]]
    first: int
    count: int
    concurrency: int
    style: str


@dataclass
class Done:
    """What came of a job.

    Attributes:
        preparing: Seconds that registering the workflows took.
        started: When the first call was made, on the wall clock.
        ended: When the last one was answered.
        ids: The executions.
        seconds: What each call took, or each execution when its result was awaited.
    """

    preparing: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    ids: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class _Caller:
    def __init__(self, submission: AsyncClient, orchestration: AsyncClient, job: Job) -> None:
        self._submission = submission
        self._orchestration = orchestration
        self._job = job
        self._versions: list[tuple[str, int]] = []
        self.done = Done()

    async def run(self) -> Done:
        await self._prepare()
        loops = {
            "result": self._results,
            "watch": self._watches,
            "submit": self._submits,
            "bulk": self._bulks,
        }
        loop = loops[self._job.style]
        step = _CHUNK if self._job.style == "bulk" else 1
        numbers = iter(range(0, self._job.count, step))
        self.done.started = time.time()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._job.concurrency):
                group.create_task(loop(numbers))
        self.done.ended = time.time()
        return self.done

    async def _prepare(self) -> None:
        began = time.perf_counter()
        for workflow in self._job.workflows:
            made = await self._submission.register(Workflow.from_dict(workflow))
            self._versions.append((made.name, made.version))
        self.done.preparing = time.perf_counter() - began

    def _version(self, number: int) -> tuple[str, int]:
        return self._versions[(self._job.first + number) % len(self._versions)]

    async def _results(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            began = time.perf_counter()
            handle = await self._submission.submit(self._version(number), {"n": number})
            await self._orchestration.handle(handle.id).result(timeout=300)
            self.done.seconds.append(time.perf_counter() - began)
            self.done.ids.append(handle.id)

    async def _watches(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            began = time.perf_counter()
            handle = await self._submission.submit(self._version(number), {"n": number})
            await followed(self._orchestration.handle(handle.id).watch(timeout=300))
            self.done.seconds.append(time.perf_counter() - began)
            self.done.ids.append(handle.id)

    async def _submits(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            began = time.perf_counter()
            handle = await self._submission.submit(self._version(number), {"n": number})
            self.done.seconds.append(time.perf_counter() - began)
            self.done.ids.append(handle.id)

    async def _bulks(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            last = min(number + _CHUNK, self._job.count)
            items = [Item(self._version(each), {"n": each}) for each in range(number, last)]
            began = time.perf_counter()
            handles = await self._submission.submit_many(items)
            self.done.seconds.append(time.perf_counter() - began)
            for handle in handles:
                if isinstance(handle, ServiceError):
                    raise handle
                self.done.ids.append(handle.id)


async def followed(items: AsyncIterator[WatchItem]) -> None:
    """Follow an execution to its end.

    Raises:
        AssertionError: An event is missing or comes twice.
    """
    sequence = 0
    async for item in items:
        if isinstance(item, Snapshot):
            sequence = item.execution.last_sequence
        elif isinstance(item, Event):
            assert item.sequence == sequence + 1, f"event {item.sequence} follows {sequence}"
            sequence += 1
        else:
            assert isinstance(item, End)
            assert item.execution.last_sequence == sequence


async def main() -> None:
    """Do jobs until stdin ends."""
    submission, orchestration = sys.argv[1:]
    async with AsyncClient(submission) as first, AsyncClient(orchestration) as second:
        while line := await asyncio.to_thread(sys.stdin.readline):
            done = await _Caller(first, second, Job(**json.loads(line))).run()
            print(json.dumps(asdict(done)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
