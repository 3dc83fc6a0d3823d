"""What a worker holds and owes, without I/O.

Three groups of threads share a session: the stream's (frames in and out), the
handlers' (tasks begin and end) and the caller's (drain). One lock guards it all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from flowmesh._context import TaskContext
from flowmesh._worker import reports
from flowmesh.v1 import task_pb2
from flowmesh.v1 import worker_control_service_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flowmesh.v1 import payload_pb2

_log = logging.getLogger("flowmesh.worker")

_FRAME_REPORTS: Final = 1_000
_FRAME_BYTES: Final = 2 * 1024 * 1024
# Reports that wait for their acknowledgement; beyond these no credit is granted.
_OWED_REPORTS: Final = 1_000
_OWED_BYTES: Final = 64 * 1024 * 1024
# A handler's heartbeat is passed on after this part of its timeout at the latest.
_HEARTBEAT_PART: Final = 0.4
_OTHER_WORDS: Final = {"OUTPUT_TOO_LARGE": "OutputTooLarge", "OUTPUT_NOT_JSON": "OutputNotJson"}


class HeldTask:
    """A task between its assignment and its report."""

    __slots__ = ("abandoned", "context", "interrupt", "message", "started", "token")

    def __init__(self, message: task_pb2.Task, beat: Callable[[payload_pb2.Payload], None]) -> None:
        self.message = message
        self.token = message.task_token
        self.context = TaskContext(message, beat)
        self.started = False
        self.abandoned = False
        self.interrupt: Callable[[], None] | None = None

    def stop(self) -> None:
        """Tell the handler to stop."""
        self.context.set_cancelled()
        if self.interrupt is not None:
            self.interrupt()


class Session:
    """The tasks of one worker over all of its streams.

    Args:
        slots: How many tasks run at once.
        clock: Seconds that only grow.
    """

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.slots = slots
        self.maximum_output_bytes = 0
        self.session_id = ""
        self.changed = threading.Condition()
        self.draining = False
        self._clock = clock
        self._running: dict[bytes, HeldTask] = {}
        # Lost tasks whose handlers have not ended: nobody waits for them, but they fill a slot.
        self._lingering: set[HeldTask] = set()
        self._owed: dict[bytes, task_pb2.TaskReport] = {}
        self._owed_bytes = 0
        self._unsent: deque[bytes] = deque()
        self._heartbeats: dict[bytes, payload_pb2.Payload] = {}
        self._unanswered_heartbeats: dict[bytes, payload_pb2.Payload] = {}
        self._credits = 0
        self._drain_said = False
        # Which beat was the first after the Drain: its answer tells that the
        # server has read the Drain and that all it had assigned has arrived.
        self._connected = False
        self._beats_sent = self._beats_answered = self._drain_beat = 0
        self._on_idle: Callable[[], None] | None = None
        self.lease = 30.0
        self._beat_interval = 5.0
        self._beat_due = 0.0
        self._last_beat = 0.0

    # What the stream does

    def open_stream(self, hello: wire.Hello) -> None:
        """Complete the Hello of a new stream; what it will owe is everything unacknowledged."""
        with self.changed:
            hello.session_id = self.session_id
            del hello.held_task_tokens[:]
            hello.held_task_tokens.extend(self._held())
            self._unsent = deque(self._owed)
            self._heartbeats = self._unanswered_heartbeats | self._heartbeats
            self._credits = 0
            self._drain_said = False
            self._beats_sent = self._beats_answered = 0

    def welcomed(self, welcome: wire.Welcome) -> None:
        """Begin to speak on a stream that was welcomed."""
        with self.changed:
            self.session_id = welcome.session_id
            self.maximum_output_bytes = welcome.maximum_output_bytes
            self.lease = welcome.lease_ttl.ToTimedelta().total_seconds() or self.lease
            self._beat_interval = welcome.beat_interval.ToTimedelta().total_seconds() or 5.0
            self._beat_due = self._clock() + (0.0 if self._heartbeats else self._beat_interval)
            self._connected = True
            self.changed.notify_all()
        self.lose(welcome.lost_task_tokens)

    def close_stream(self) -> None:
        """Take note that the stream is gone."""
        with self.changed:
            self._connected = False
            self._tell_if_idle()
            self.changed.notify_all()

    def assigned(self, messages: Iterable[task_pb2.Task]) -> list[HeldTask]:
        """Take tasks over; those to be started now. A draining worker hands them back."""
        with self.changed:
            fresh: list[HeldTask] = []
            for message in messages:
                self._credits = max(0, self._credits - 1)
                if message.task_token in self._running or message.task_token in self._owed:
                    continue
                held = HeldTask(message, self._beater(message))
                self._running[held.token] = held
                fresh.append(held)
            if not self.draining:
                return fresh
            self._hand_back(fresh)
            return []

    def acknowledged(self, results: Iterable[task_pb2.ReportResult]) -> None:
        """Forget reports that the engine answered; a rejected one becomes a failure."""
        with self.changed:
            for result in results:
                report = self._forget(result.task_token)
                if report is not None and result.status == task_pb2.REPORT_STATUS_REJECTED:
                    self._rejected(report, result)
            self._tell_if_idle()
            self.changed.notify_all()

    def _rejected(self, report: task_pb2.TaskReport, result: task_pb2.ReportResult) -> None:
        _log.error("report rejected: %s: %s", result.reason, result.message)
        if result.reason == "INVALID_TASK_TOKEN" or not report.HasField("completion"):
            return
        kind = _OTHER_WORDS.get(result.reason, "ReportRejected")
        instead = reports.failure(kind, result.message, retryable=False)
        instead.task_token = report.task_token
        instead.start_time.CopyFrom(report.start_time)
        self._owe(instead)

    def beat_answered(self, reply: wire.BeatReply) -> None:
        """Obey the answer to a beat."""
        self.lose(reply.lost_task_tokens)
        self.cancel(reply.cancelled_task_tokens)
        with self.changed:
            self._beats_answered += 1
            if self._beats_answered == self._beats_sent:
                self._unanswered_heartbeats.clear()
            self._tell_if_idle()

    def lose(self, tokens: Iterable[bytes]) -> None:
        """Stop tasks that are no longer ours, and drop what would be said of them."""
        with self.changed:
            lost = [self._running.pop(token) for token in tokens if token in self._running]
            self._lingering.update(held for held in lost if held.started)
            for token in tokens:
                self._forget(token)
            self._tell_if_idle()
            self.changed.notify_all()
        for held in lost:
            held.stop()

    def cancel(self, tokens: Iterable[bytes]) -> None:
        """Stop tasks on request; their ends are reported."""
        with self.changed:
            told = [self._running[token] for token in tokens if token in self._running]
        for held in told:
            if not held.context.is_cancelled:
                held.stop()

    def next_frame(self) -> wire.ConnectRequest | None:
        """What to send now, the most urgent first; None when there is nothing. Needs the lock."""
        if self._clock() >= self._beat_due:
            return self._beat()
        if self._unsent:
            return self._reports()
        if self.draining and not self._drain_said:
            self._drain_said = True
            self._drain_beat, self._beat_due = self._beats_sent + 1, 0.0
            return wire.ConnectRequest(drain=wire.Drain())
        return self._grant()

    def until_beat(self) -> float:
        """Seconds to the next beat. Needs the lock."""
        return max(0.0, self._beat_due - self._clock())

    # What handlers do

    def start(self, held: HeldTask) -> bool:
        """Whether a task may begin now; not when it was lost, cancelled or handed back meanwhile."""
        with self.changed:
            if self._running.get(held.token) is not held:
                return False
            if held.context.is_cancelled:
                self._settle(held, _with_token(reports.cancellation(), held.token))
                return False
            held.started = True
            return True

    def finish(self, held: HeldTask, report: task_pb2.TaskReport) -> None:
        """Owe the report of a task that ended, unless it was lost."""
        with self.changed:
            if held in self._lingering:
                self._lingering.discard(held)
                self.changed.notify_all()
            self._settle(held, report)

    def _settle(self, held: HeldTask, report: task_pb2.TaskReport) -> None:
        if self._running.get(held.token) is held:
            del self._running[held.token]
            self._owe(report)
            self.changed.notify_all()

    # What the caller does

    def drain(self, on_idle: Callable[[], None]) -> None:
        """Take no more tasks, and tell when nothing is left."""
        with self.changed:
            self._on_idle = on_idle
            self.take_no_more()
            self._tell_if_idle()

    def take_no_more(self) -> None:
        """Hand back the tasks that have not begun, and all that come."""
        with self.changed:
            self.draining = True
            self._hand_back([held for held in self._running.values() if not held.started])
            self.changed.notify_all()

    def interrupt(self) -> None:
        """Tell all running handlers to stop because the worker does."""
        with self.changed:
            left = list(self._running.values())
        for held in left:
            held.abandoned = True
            held.stop()

    def give_up(self) -> None:
        """Report the tasks whose handlers did not stop."""
        with self.changed:
            for held in list(self._running.values()):
                self._settle(held, _with_token(reports.worker_stopped(), held.token))

    def _tell_if_idle(self) -> None:
        heard = self._drain_said and self._beats_answered >= self._drain_beat
        if self._on_idle is None or self._running or self._owed or (self._connected and not heard):
            return
        self._on_idle()

    # Inside

    def _held(self) -> list[bytes]:
        return [*self._running, *self._owed]

    def _hand_back(self, tasks: Iterable[HeldTask]) -> None:
        for held in list(tasks):
            self._settle(held, reports.handed_back(held.token))

    def _owe(self, report: task_pb2.TaskReport) -> None:
        self._owed[report.task_token] = report
        self._owed_bytes += report.ByteSize()
        self._unsent.append(report.task_token)

    def _forget(self, token: bytes) -> task_pb2.TaskReport | None:
        report = self._owed.pop(token, None)
        if report is not None:
            self._owed_bytes -= report.ByteSize()
        return report

    def _beater(self, message: task_pb2.Task) -> Callable[[payload_pb2.Payload], None]:
        token = message.task_token

        def beat(progress: payload_pb2.Payload) -> None:
            timeout = message.heartbeat_timeout.ToTimedelta().total_seconds()
            with self.changed:
                if token not in self._running:
                    return
                self._heartbeats[token] = progress
                due = self._last_beat + timeout * _HEARTBEAT_PART
                if timeout and due < self._beat_due:
                    self._beat_due = due
                    self.changed.notify_all()

        return beat

    def _beat(self) -> wire.ConnectRequest:
        beats = [
            task_pb2.Heartbeat(task_token=token, progress=said)
            for token, said in self._heartbeats.items()
            if token in self._running
        ]
        self._unanswered_heartbeats |= self._heartbeats
        self._heartbeats.clear()
        self._beats_sent += 1
        self._last_beat = self._clock()
        self._beat_due = self._last_beat + self._beat_interval
        return wire.ConnectRequest(beat=wire.Beat(held_task_tokens=self._held(), heartbeats=beats))

    def _reports(self) -> wire.ConnectRequest | None:
        frame, size = wire.TaskReports(), 0
        while self._unsent and len(frame.reports) < _FRAME_REPORTS and size < _FRAME_BYTES:
            report = self._owed.get(self._unsent.popleft())
            if report is not None:
                frame.reports.append(report)
                size += report.ByteSize()
        return wire.ConnectRequest(reports=frame) if frame.reports else self.next_frame()

    def _grant(self) -> wire.ConnectRequest | None:
        """More credits, in batches: when a quarter of the slots is free or the server has none left."""
        if self.draining or self._owed_bytes >= _OWED_BYTES:
            return None
        used = len(self._running) + len(self._lingering) + self._credits
        free = min(self.slots - used, max(_OWED_REPORTS, self.slots) - len(self._owed) - used)
        if free < 1 or (self._credits and free * 4 < self.slots):
            return None
        self._credits += free
        return wire.ConnectRequest(credit_grant=wire.CreditGrant(credits=free))


def _with_token(report: task_pb2.TaskReport, token: bytes) -> task_pb2.TaskReport:
    report.task_token = token
    return report
