"""Connections between processes: streams of frames, and calls with one answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Generic, NamedTuple, TypeVar

from flowmesh_core.application.worker_gateway.attachment import WorkerHello
from flowmesh_core.application.worker_gateway.beating import BeatAnswer
from flowmesh_core.application.worker_gateway.outcome import TaskReport
from flowmesh_core.application.worker_gateway.session import Assignment, ReportAnswer
from flowmesh_core.domain.errors import FlowmeshError
from tests.simulation.loop import Process, SimulatedLoop

T = TypeVar("T")


class Broken(Exception):
    """The other side is gone, or does not answer."""


class Pipe(Generic[T]):
    """One direction of a connection: in order, each item with a delay of its own, until it is cut."""

    def __init__(self, loop: SimulatedLoop, rng: Random) -> None:
        self.silent = False
        self._loop = loop
        self._rng = rng
        self._under_way: deque[T] = deque()
        self._items: deque[T] = deque()
        self._arrived = asyncio.Event()
        self._last = 0.0
        self._cut = False

    def send(self, item: T) -> None:
        """Send; what is on its way when the pipe is cut is lost."""
        if not (self._cut or self.silent):
            self._last = max(self._last, self._loop.time() + self._rng.expovariate(1000))
            self._loop.in_world(self._last - self._loop.time(), self._arrive)
            self._under_way.append(item)

    def cut(self, after: float = 0.0) -> None:
        """Let both ends know that it is over."""
        self._loop.in_world(after, self._break)

    async def receive(self) -> T:
        """Return the next item.

        Raises:
            Broken: The pipe was cut.
        """
        while not self._items:
            if self._cut:
                raise Broken
            self._arrived.clear()
            await self._arrived.wait()
        return self._items.popleft()

    def _arrive(self) -> None:
        item = self._under_way.popleft()  # callbacks of one moment run in any order
        if not (self._cut or self.silent):
            self._items.append(item)
            self._arrived.set()

    def _break(self) -> None:
        self._cut = True
        self._items.clear()
        self._arrived.set()


class Welcome(NamedTuple):
    """The answer to a Hello: the session, and the tasks that are not the worker's any more."""

    session_id: str
    lost: tuple[bytes, ...]


Upward = WorkerHello | int | list[TaskReport] | tuple[list[bytes], list[bytes]]
"""Hello, credits, reports, or a beat: the tasks held, and those whose handlers beat."""
Downward = Welcome | list[Assignment] | list[ReportAnswer] | BeatAnswer
"""Welcome, tasks, answers, or what became of tasks."""


class Stream:
    """A worker's stream: the `Channel` of its gateway, and what the worker reads and writes.

    Attributes:
        up: From the worker.
        down: To the worker.
    """

    def __init__(self, loop: SimulatedLoop, rng: Random) -> None:
        self.up: Pipe[Upward] = Pipe(loop, rng)
        self.down: Pipe[Downward] = Pipe(loop, rng)

    @property
    def is_congested(self) -> bool:
        return False

    def assign(self, assignments: Sequence[Assignment]) -> None:
        self.down.send(list(assignments))

    def answer(self, answers: Sequence[ReportAnswer]) -> None:
        self.down.send(list(answers))

    def cancel(self, tokens: Sequence[bytes]) -> None:
        self.down.send(BeatAnswer([], list(tokens)))

    def go_away(self, reconnect_within: float) -> None:  # noqa: ARG002
        self.cut()

    def close(self, error: FlowmeshError | None) -> None:  # noqa: ARG002
        self.cut()

    def unsent(self) -> Sequence[bytes]:
        return ()

    def cut(self) -> None:
        """Break the connection: each side hears of it in its own time."""
        self.up.cut()
        self.down.cut()

    def fall_silent(self) -> None:
        """Carry nothing more, without telling anybody."""
        self.up.silent = self.down.silent = True


class Calls:
    """Unary calls from one process to another."""

    def __init__(self, loop: SimulatedLoop, rng: Random, patience: float = 15.0) -> None:
        self._loop = loop
        self._rng = rng
        self._patience = patience

    async def call(self, server: Process, method: Callable[[], Awaitable[T]]) -> T:
        """Have a process do something and return its answer, or the error it answered with.

        Raises:
            Broken: It did not answer in time.
        """
        await asyncio.sleep(self._rng.expovariate(1000))
        if not server.alive:
            raise Broken
        answer: asyncio.Future[T] = self._loop.create_future()
        self._loop.spawn(server, _serve(method, answer))
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(answer)
        except TimeoutError:
            raise Broken from None


async def _serve(method: Callable[[], Awaitable[T]], answer: asyncio.Future[T]) -> None:
    try:
        result = await method()
    except FlowmeshError as error:
        if not answer.done():
            answer.set_exception(error)
            answer.exception()
    else:
        if not answer.done():
            answer.set_result(result)
