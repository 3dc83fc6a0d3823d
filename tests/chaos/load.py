"""Clients: they submit, cancel and watch through the SDK, and write down what they were told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from uuid import uuid4

from flowmesh import (
    AsyncClient,
    End,
    Event,
    FlowmeshError,
    ServiceError,
    Snapshot,
    Submission,
    WatchItem,
    Workflow,
)
from tests.chaos.facts import FactLog
from tests.chaos.progress import Progress
from tests.chaos.workflows import choose

_CALL_SECONDS = 5.0
_WATCH_SECONDS = 240.0
_BATCH = 20


@dataclass
class LoadOptions:
    """How much of what.

    Attributes:
        rate: Executions a second.
        cancelled: The part of them that is cancelled.
        watched: The part of them that is watched.
        open_limit: How many executions are open at once, where a number of steps is asked for.
    """

    rate: float = 15.0
    cancelled: float = 0.1
    watched: float = 0.15
    open_limit: int = 1_000


@dataclass
class Clients:
    """One client per replica of both services."""

    submission: list[AsyncClient]
    orchestration: list[AsyncClient]

    @classmethod
    def of(cls, submission: list[str], orchestration: list[str]) -> Clients:
        """Connect to these addresses."""
        made = [
            [AsyncClient(each, timeout=_CALL_SECONDS) for each in role]
            for role in (submission, orchestration)
        ]
        return cls(*made)

    async def close(self) -> None:
        """Close them all."""
        for client in (*self.submission, *self.orchestration):
            await client.close()


@dataclass
class Load:
    """Starts executions: at a steady rate whatever becomes of the earlier ones, or as fast as they end."""

    clients: Clients
    log: FactLog
    rng: Random
    options: LoadOptions = field(default_factory=LoadOptions)
    choose: Callable[[Random], Workflow] = choose
    accepted: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self._work: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._submitting = 0

    async def run(self, seconds: float) -> None:
        """Submit for a while."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        number = 0
        while (elapsed := loop.time() - start) < seconds:
            while number < elapsed * self.options.rate:
                self.spawn(self.choose(self.rng), number)
                number += 1
            await asyncio.sleep(0.02)

    async def run_until(self, steps: int, progress: Progress) -> None:
        """Keep a bounded number of executions open until so many steps have completed."""
        number = 0
        while (await progress.read()).steps < steps:
            room = self.options.open_limit - progress.last.open - self._submitting
            for _ in range(room // _BATCH):
                self._submitting += _BATCH
                self._work_on(self._batch([self.choose(self.rng) for _ in range(_BATCH)], number))
                number += _BATCH
            await asyncio.sleep(0.1)

    def spawn(self, workflow: Workflow, number: int) -> None:
        """Submit one execution, and do with it what chance says."""
        self._work_on(self._execution(workflow, number))

    def _work_on(self, doing: Coroutine[None, None, None]) -> None:
        work = asyncio.create_task(doing)
        self._work.add(work)
        work.add_done_callback(self._done)

    def _done(self, work: asyncio.Task[None]) -> None:
        self._work.discard(work)
        if not work.cancelled() and (failure := work.exception()) is not None:
            self._failures.append(failure)

    async def finish(self, seconds: float) -> None:
        """Wait for every submission, cancel and watch to end.

        Raises:
            TimeoutError: Some do not.
            BaseExceptionGroup: Some failed, now or earlier.
        """
        async with asyncio.timeout(seconds):
            while self._work:
                await asyncio.wait(self._work)
        if self._failures:
            raise BaseExceptionGroup("clients failed", self._failures)

    async def abandon(self) -> None:
        """Give up what is under way."""
        for task in self._work:
            task.cancel()
        if self._work:
            await asyncio.wait(self._work)

    async def _execution(self, workflow: Workflow, number: int) -> None:
        execution_id = await self._submit(workflow, number)
        await self._follow(execution_id)

    async def _follow(self, execution_id: str) -> None:
        lot = self.rng.random()
        if lot < self.options.cancelled:
            await asyncio.sleep(self.rng.uniform(0, 0.5))
            await self._cancel(execution_id)
        elif lot < self.options.cancelled + self.options.watched:
            await self._watch(execution_id)

    async def _submit(self, workflow: Workflow, number: int) -> str:
        """Repeat a submission under one request id, at any replica, until one answers."""
        request_id = uuid4().hex
        while True:
            client = self.rng.choice(self.clients.submission)
            try:
                handle = await client.submit(workflow, {"n": number}, request_id=request_id)
            except ServiceError:
                self.refused += 1
                await asyncio.sleep(0.1)
                continue
            self._accepted(handle.id, request_id)
            return handle.id

    async def _batch(self, workflows: Sequence[Workflow], first: int) -> None:
        """The same for many at once, and then do with each what chance says."""
        left = [
            Submission(workflow, {"n": first + number}, request_id=uuid4().hex)
            for number, workflow in enumerate(workflows)
        ]
        try:
            while left:
                left = await self._submit_many(left)
        finally:
            self._submitting -= len(workflows)

    async def _submit_many(self, wanted: list[Submission]) -> list[Submission]:
        """Return what is to be submitted again."""
        client = self.rng.choice(self.clients.submission)
        try:
            answers = await client.submit_many(wanted)
        except ServiceError as error:
            answers = [error] * len(wanted)
        refused = []
        for submission, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, ServiceError):
                refused.append(submission)
            else:
                self._accepted(answer.id, submission.request_id)
                self._work_on(self._follow(answer.id))
        if refused:
            self.refused += len(refused)
            await asyncio.sleep(0.1)
        return refused

    def _accepted(self, execution_id: str, request_id: str) -> None:
        self.log.write("submitted", execution_id, request_id=request_id)
        self.accepted += 1

    async def _cancel(self, execution_id: str) -> None:
        client = self.rng.choice(self.clients.orchestration)
        with contextlib.suppress(FlowmeshError):  # an answer that did not come promises nothing
            state = await client.cancel(execution_id, "chaos", grace=timedelta(seconds=1))
            self.log.write("cancelled", execution_id, state=str(state.value))

    async def _watch(self, execution_id: str) -> None:
        """Watch to the end; a watch that breaks for good is begun anew, as another watch."""
        async with asyncio.timeout(_WATCH_SECONDS):
            while True:
                if await self._watch_once(execution_id):
                    return
                await asyncio.sleep(0.2)

    async def _watch_once(self, execution_id: str) -> bool:
        watcher = uuid4().hex
        handle = self.rng.choice(self.clients.orchestration).handle(execution_id)
        try:
            async for item in handle.watch():
                if (seen := _seen(item)) is not None:
                    kind, sequence = seen
                    self.log.write("watched", execution_id, watcher=watcher, item=kind, sequence=sequence)
        except ServiceError:
            return False
        return True


def _seen(item: WatchItem) -> tuple[str, int] | None:
    match item:
        case Snapshot():
            return "snapshot", item.execution.last_sequence
        case Event():
            return "event", item.sequence
        case End():
            return "end", item.execution.last_sequence
        case _:
            return None
