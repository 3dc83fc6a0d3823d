"""What a handler may know of and say about the task it runs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from flowmesh import _payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flowmesh.v1 import payload_pb2, task_pb2


class TaskContext:
    """The task that the calling handler runs. Safe to use from any thread.

    Attributes:
        namespace: The namespace of the execution.
        execution_id: The execution.
        workflow_name: The workflow, for logs.
        node_id: The node.
        handler: The handler.
        attempt: The number of the attempt, from 1; it only grows.
        idempotency_key: The same for every attempt of the node: give it to
            outside systems so that they do a thing once.
    """

    __slots__ = (
        "_beat",
        "_cancelled",
        "_task",
        "attempt",
        "execution_id",
        "handler",
        "idempotency_key",
        "namespace",
        "node_id",
        "workflow_name",
    )

    def __init__(self, task: task_pb2.Task, beat: Callable[[payload_pb2.Payload], None]) -> None:
        self.namespace = task.namespace
        self.execution_id = task.execution_id
        self.workflow_name = task.workflow_name
        self.node_id = task.node_id
        self.handler = task.handler
        self.attempt = task.attempt
        self.idempotency_key = task.idempotency_key
        self._task = task
        self._beat = beat
        self._cancelled = threading.Event()

    @property
    def deadline(self) -> dt.datetime | None:
        """When the attempt times out; None when never."""
        return self._task.deadline.ToDatetime(tzinfo=dt.UTC) if self._task.HasField("deadline") else None

    @property
    def heartbeat_timeout(self) -> dt.timedelta | None:
        """The longest silence between heartbeats; None when any."""
        limited = self._task.HasField("heartbeat_timeout")
        return self._task.heartbeat_timeout.ToTimedelta() if limited else None

    def heartbeat(self, progress: Any = None) -> None:  # noqa: ANN401 - any JSON value
        """Say that the handler makes progress. Cheap: call it as often as you like.

        Args:
            progress: How far it is, a JSON value. It is sent, and not kept by servers yet.

        Raises:
            EncodingError: The progress is not JSON.
        """
        self._beat(_payload.to_proto(progress))

    @property
    def is_cancelled(self) -> bool:
        """Whether the handler should stop: it was cancelled, or the task is no longer its own."""
        return self._cancelled.is_set()

    def raise_if_cancelled(self) -> None:
        """Stop the handler if it should stop.

        Raises:
            asyncio.CancelledError: It should, in threads as well.
        """
        if self._cancelled.is_set():
            raise asyncio.CancelledError(f"task {self.node_id} of {self.execution_id} was cancelled")

    def wait_cancelled(self, timeout: float) -> bool:
        """Sleep in a thread for `timeout` seconds at most; True as soon as the handler should stop."""
        return self._cancelled.wait(timeout)

    def set_cancelled(self) -> None:
        """Tell the handler to stop. The worker calls this."""
        self._cancelled.set()


_CURRENT: Final[ContextVar[TaskContext]] = ContextVar("flowmesh_task")


def current_task() -> TaskContext:
    """The task that the caller runs, also in threads that asyncio started for it.

    Raises:
        RuntimeError: The caller is not a handler that a worker runs.
    """
    try:
        return _CURRENT.get()
    except LookupError:
        raise RuntimeError("there is no current task: a worker does not run this") from None


@contextlib.contextmanager
def running(context: TaskContext) -> Iterator[None]:
    """Make a task the current one."""
    token = _CURRENT.set(context)
    try:
        yield
    finally:
        _CURRENT.reset(token)
