"""Runs handlers: plain ones in threads, async ones on the loop of the worker."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import time
from typing import TYPE_CHECKING, Any

from flowmesh import _context, _json, _payload, _tracing
from flowmesh._worker import reports
from flowmesh._worker.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowmesh._task import TaskDefinition
    from flowmesh._worker.session import HeldTask, Session
    from flowmesh.v1 import payload_pb2, task_pb2


class Runner:
    """Starts tasks and gives their ends to the session.

    Args:
        tasks: What to run, by handler; None returns every config as the output.
        session: Where the ends go.
        loop: Where async handlers run.
    """

    def __init__(
        self, tasks: Mapping[str, TaskDefinition] | None, session: Session, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._tasks = tasks
        self._session = session
        self._loop = loop
        self._threads = Threads(session.slots)
        self._awaited: set[asyncio.Task[None]] = set()

    def start(self, fresh: Sequence[HeldTask]) -> None:
        """Start tasks. Called from the thread of the stream."""
        awaited: list[tuple[HeldTask, TaskDefinition]] = []
        for held in fresh:
            definition = None if self._tasks is None else self._tasks.get(held.message.handler)
            if definition is None:
                self._answer(held)
            elif definition.is_async:
                awaited.append((held, definition))
            else:
                job = functools.partial(contextvars.Context().run, self._run_in_thread, held, definition)
                self._threads.submit(job)
        if awaited:
            self._loop.call_soon_threadsafe(self._begin, awaited)

    async def close(self) -> None:
        """Cancel what still runs on the loop, and let the threads end."""
        self._threads.close()
        for task in self._awaited:
            task.cancel()
        await asyncio.gather(*self._awaited, return_exceptions=True)

    def _answer(self, held: HeldTask) -> None:
        """End a task that has no function: a dry run's, or one that was never offered."""
        if not self._session.start(held):
            return
        if self._tasks is None:
            report = reports.completion(_resolved(held.message.input), self._session.maximum_output_bytes)
        else:
            report = reports.failure(
                "UnknownHandler", f"no task is named {held.message.handler}", retryable=False
            )
        self._session.finish(held, reports.stamped(report, held.token, time.time()))

    def _begin(self, fresh: Sequence[tuple[HeldTask, TaskDefinition]]) -> None:
        for held, definition in fresh:
            task = self._loop.create_task(self._run_on_loop(held, definition), name=held.message.node_id)
            held.interrupt = functools.partial(_cancel, task)
            self._awaited.add(task)
            task.add_done_callback(self._awaited.discard)

    async def _run_on_loop(self, held: HeldTask, definition: TaskDefinition) -> None:
        if not self._session.start(held):
            return
        began = time.time()
        try:
            with _context.running(held.context), _tracing.handler_span(held.message):
                output = await definition.call(_config(held.message))
            report = reports.completion(output, self._session.maximum_output_bytes)
        except asyncio.CancelledError as error:
            self._finish(held, _stopped(held, error), began)
            if not held.context.is_cancelled:
                raise
            return
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it goes into the history
            report = reports.raised(error)
        self._finish(held, report, began)

    def _run_in_thread(self, held: HeldTask, definition: TaskDefinition) -> None:
        if not self._session.start(held):
            return
        began = time.time()
        try:
            with _context.running(held.context), _tracing.handler_span(held.message):
                output = definition.call(_config(held.message))
            report = reports.completion(output, self._session.maximum_output_bytes)
        except asyncio.CancelledError as error:
            report = _stopped(held, error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it goes into the history
            report = reports.raised(error)
        self._finish(held, report, began)

    def _finish(self, held: HeldTask, report: task_pb2.TaskReport, began: float) -> None:
        self._session.finish(held, reports.stamped(report, held.token, began))


def _cancel(task: asyncio.Task[None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and the task with it
        task.get_loop().call_soon_threadsafe(task.cancel)


def _stopped(held: HeldTask, error: BaseException) -> task_pb2.TaskReport:
    if held.abandoned:
        return reports.worker_stopped()
    return reports.cancellation() if held.context.is_cancelled else reports.raised(error)


def _config(message: task_pb2.Task) -> Any:  # noqa: ANN401 - any JSON value
    return _json.decode(message.input.data) if message.input.data else {}


def _resolved(config: payload_pb2.Payload) -> _payload.Payload:
    return _payload.from_proto(config) if config.data else _payload.Payload(b"{}")
