"""What is on its way to a worker over its stream."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import grpc

from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh_core.domain.errors import FlowmeshError, WorkerSilent
from flowmesh_core.domain.time import micros
from flowmesh_services.wire.task import answer_to_proto, task_to_proto
from flowmesh_services.wire.timestamp import duration_to_proto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from grpc.aio import ServicerContext

    from flowmesh_core.application.worker_gateway.beating import BeatAnswer
    from flowmesh_core.application.worker_gateway.session import Assignment, ReportAnswer

    Context = ServicerContext[Any, Any]

_FRAME_ITEMS = 1_000
_FRAME_BYTES = 1024 * 1024
_CONGESTED_BYTES = 4 * _FRAME_BYTES
_ANSWER_DELAY = 0.01
"""Answers wait so many seconds for company: a worker goes on without them, and each frame has its price."""
_TASK_BYTES = 512
"""About what a task takes beside its input."""


class StreamChannel:
    """A `Channel` over a gRPC stream. Everything that waits leaves in as few frames as may be."""

    def __init__(self, on_relief: Callable[[], None], patience: float) -> None:
        """Call `on_relief` when it is no longer congested; a worker must read within `patience` seconds."""
        self._on_relief = on_relief
        self._patience = patience
        self._wake = asyncio.Event()
        self._first: pb.Welcome | None = None
        self._answers: list[ReportAnswer] = []
        self._answer_timer: asyncio.TimerHandle | None = None
        self._answers_are_due = False
        self._assignments: deque[Assignment] = deque()
        self._bytes = 0
        self._cancels: list[bytes] = []
        self._beats: list[BeatAnswer] = []
        self._go_away: float | None = None
        self._is_closed = False
        self._error: FlowmeshError | None = None

    @property
    def is_congested(self) -> bool:
        """Whether more than a few frames of tasks wait."""
        return self._bytes >= _CONGESTED_BYTES

    def welcome(self, message: pb.Welcome) -> None:
        """Send the answer to Hello, before everything else."""
        self._first = message
        self._wake.set()

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Send tasks."""
        self._assignments.extend(assignments)
        self._bytes += sum(map(_size, assignments))
        self._wake.set()

    def answer(self, answers: Sequence[ReportAnswer]) -> None:
        """Send what became of reports, in a moment."""
        self._answers.extend(answers)
        if len(self._answers) >= _FRAME_ITEMS:
            self._let_answers_go()
        elif self._answer_timer is None:
            loop = asyncio.get_running_loop()
            self._answer_timer = loop.call_later(_ANSWER_DELAY, self._let_answers_go)

    def cancel(self, tokens: Sequence[bytes]) -> None:
        """Tell the worker to stop tasks."""
        self._cancels.extend(tokens)
        self._wake.set()

    def answer_beat(self, answer: BeatAnswer) -> None:
        """Send the answer to a beat; what was assigned before it goes first."""
        self._beats.append(answer)
        self._wake.set()

    def go_away(self, reconnect_within: float) -> None:
        """Ask the worker to connect elsewhere."""
        self._go_away = reconnect_within
        self._wake.set()

    def close(self, error: FlowmeshError | None) -> None:
        """End the stream, for the first reason given; tasks that wait stay behind."""
        if not self._is_closed:
            self._is_closed, self._error = True, error
        self._wake.set()

    def unsent(self) -> Sequence[bytes]:
        """Return the tokens of tasks that never left."""
        return [assignment.token for assignment in self._assignments]

    async def write_to(self, context: Context) -> None:
        """Write frames until the channel is closed.

        Raises:
            FlowmeshError: What it was closed with; `WorkerSilent` when the worker does not read.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            for frame in self._frames():
                if not await self._write(frame, context):
                    return
            if self._is_closed:
                break
        if self._error is not None:
            raise self._error

    async def _write(self, frame: pb.ConnectResponse, context: Context) -> bool:
        """Return whether the worker may still be there."""
        try:
            async with asyncio.timeout(self._patience):
                await context.write(frame)
        except TimeoutError:
            raise WorkerSilent("the worker does not read what is sent to it") from None
        except (grpc.aio.InternalError, grpc.aio.UsageError):
            return False  # it is gone: gRPC cancels the call in a moment
        return True

    def _frames(self) -> Iterator[pb.ConnectResponse]:
        if self._first is not None:
            welcome, self._first = self._first, None
            yield pb.ConnectResponse(welcome=welcome)
        if self._answers_are_due or self._is_closed:
            yield from self._answer_frames()
        if self._cancels:
            tokens, self._cancels = self._cancels, []
            yield pb.ConnectResponse(cancel_tasks=pb.CancelTasks(task_tokens=tokens))
        beats, self._beats = self._beats, []
        while self._assignments and not self._is_closed:
            yield self._assignment_frame()
        for beat in beats:
            reply = pb.BeatReply(lost_task_tokens=beat.lost, cancelled_task_tokens=beat.cancelled)
            yield pb.ConnectResponse(beat_reply=reply)
        if self._go_away is not None:
            within, self._go_away = duration_to_proto(micros(self._go_away)), None
            yield pb.ConnectResponse(go_away=pb.GoAway(reconnect_within=within))

    def _let_answers_go(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None
        self._answers_are_due = True
        self._wake.set()

    def _answer_frames(self) -> Iterator[pb.ConnectResponse]:
        self._answers_are_due = False
        while self._answers:
            batch, self._answers = self._answers[:_FRAME_ITEMS], self._answers[_FRAME_ITEMS:]
            yield pb.ConnectResponse(report_results=pb.ReportResults(results=map(answer_to_proto, batch)))

    def _assignment_frame(self) -> pb.ConnectResponse:
        batch: list[Assignment] = []
        size = 0
        was_congested = self.is_congested
        while self._assignments and len(batch) < _FRAME_ITEMS and size < _FRAME_BYTES:
            assignment = self._assignments.popleft()
            size += _size(assignment)
            batch.append(assignment)
        self._bytes -= size
        if was_congested and not self.is_congested:
            self._on_relief()
        return pb.ConnectResponse(assignments=pb.TaskAssignments(tasks=map(task_to_proto, batch)))


def _size(assignment: Assignment) -> int:
    return assignment.task.input.size + _TASK_BYTES
