"""An event loop whose time is made up and whose order is drawn from a seed.

Nothing here waits: when nobody can go on, the time jumps to the next timer.
Every callback belongs to the process in whose context it was scheduled, so a
process can die or stand still between any two of its awaits.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from itertools import count
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

_STEP = 1e-5
"""Seconds that a callback takes, so that nothing can go on for ever without time passing."""


class Process:
    """What dies and stands still as one.

    Attributes:
        name: For traces.
        number: Its place among all processes of the run.
        alive: Whether its callbacks still run.
        frozen: Whether its callbacks are held back.
        held: The callbacks that wait for it to go on.
    """

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.alive = True
        self.frozen = False
        self.held: list[asyncio.Handle] = []

    def is_running(self) -> bool:
        """Whether its callbacks run now."""
        return self.alive and not self.frozen


WORLD = Process("world", 0)
"""Networks and whoever runs the simulation: never dies, never stands still."""

_process: ContextVar[Process] = ContextVar("process", default=WORLD)


def current_process() -> Process:
    """Return the process whose callback runs."""
    return _process.get()


class _Numbered:
    """Hashes by the order of creation: sets of these have the same order in every run."""

    number: int

    def __hash__(self) -> int:
        return self.number


class SimulatedFuture(_Numbered, asyncio.Future[T]):
    def __init__(self, loop: SimulatedLoop) -> None:
        self.number = loop.next_number()
        super().__init__(loop=loop)


class SimulatedTask(_Numbered, asyncio.Task[T]):
    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: SimulatedLoop, context: Context) -> None:
        self.number = loop.next_number()
        super().__init__(coroutine, loop=loop, context=context)


class SimulatedLoop(asyncio.BaseEventLoop):
    """See the module.

    Attributes:
        steps: How many callbacks have run.
        digest: A number that two runs share only if they ran the same callbacks at the same times.
    """

    def __init__(
        self, rng: Random, on_step: Callable[[Process], None], on_error: Callable[[str], None]
    ) -> None:
        super().__init__()
        self.steps = 0
        self.digest = 0
        self._rng = rng
        self._on_step = on_step
        self._on_error = on_error
        self._time = 0.0
        self._queue: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count(1)
        self._tasks: list[SimulatedTask[Any]] = []
        self._disorder = rng.choice((0.0, 0.5, 1.0))

    def time(self) -> float:
        return self._time

    def next_number(self) -> int:
        return next(self._numbers)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._queue.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return SimulatedFuture(self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,  # noqa: ARG002
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        assert isinstance(coro, Coroutine)
        task = SimulatedTask(coro, self, context or copy_context())
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self._on_error(f"{context.get('message')}: {context.get('exception')!r}")

    def spawn(self, process: Process, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something in a process."""
        context = Context()
        context.run(_process.set, process)
        return self.create_task(work, context=context)

    def in_world(self, delay: float, act: Callable[..., object], *args: Any) -> None:
        """Call something later, whatever becomes of the process that asks for it."""
        self.call_at(self._time + delay, act, *args, context=Context())

    def run_until(self, deadline: float, done: Callable[[], bool], most_steps: int) -> bool:
        """Run until `done`, which is asked after each callback, or the deadline; say which it was."""
        asyncio._set_running_loop(self)
        try:
            while not done():
                if self._time >= deadline or self.steps >= most_steps or not self._fill():
                    return False
                self._run_one()
        finally:
            asyncio._set_running_loop(None)
        return True

    def dispose(self) -> None:
        """Let go of everything that still waits."""
        for task in self._tasks:  # which grows: what is closed may still begin something
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            task._log_traceback = False
            coroutine = task.get_coro()
            if not task.done() and coroutine is not None:
                _close(coroutine)
        self._tasks.clear()
        self._queue.clear()
        self._timers.clear()
        self.close()

    def _fill(self) -> bool:
        """Queue what is due; with nothing else to do, go to the next timer."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not self._queue:
            if not timers:
                return False
            self._time = max(self._time, timers[0][0])
        while timers and timers[0][0] <= self._time:
            self._queue.append(heapq.heappop(timers)[2])
        return True

    def _run_one(self) -> None:
        queue = self._queue
        at = 0
        if len(queue) > 1 and self._rng.random() < self._disorder:
            at = int(self._rng.random() * len(queue))
        handle = queue.pop(at)
        if handle.cancelled():
            return
        process: Process = handle._context.get(_process, WORLD)  # type: ignore[attr-defined]
        if not process.is_running():
            process.held.append(handle)
            return
        self.steps += 1
        self._time += _STEP
        self.digest = hash((self.digest, process.number, at, len(queue), self._time))
        self._on_step(process)  # which may end the process, or freeze it
        if process.is_running():
            handle._run()
        else:
            process.held.append(handle)

    def thaw(self, process: Process) -> None:
        """Let a process go on where it stood still."""
        process.frozen = False
        self._queue += process.held
        process.held = []


def _close(coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any]) -> None:
    try:
        coroutine.close()
    except BaseException:  # noqa: BLE001 - what code does while it is torn down after the run is of no interest
        return
