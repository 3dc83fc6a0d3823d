"""The stream of a worker, in threads of its own, over and over until it is closed.

It is the threaded gRPC API on purpose: beats must not depend on the user's
event loop, and grpc.aio knows only one loop in a process.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import grpc

from flowmesh import _tracing
from flowmesh._channel import TLS, TRY_PART, Stubs, open_channel
from flowmesh._client.retry import Backoff
from flowmesh.v1 import worker_control_service_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flowmesh._worker.session import HeldTask, Session

_log = logging.getLogger("flowmesh.worker")

_WELCOME_SECONDS: Final = 15.0
_LONGEST_WAIT: Final = 10.0
# Held tasks survive their stream for the time of the lease. A part of that goes to a silent server, more only
# if beats are rarer, a part to a new one until its Welcome, and a small one to each wait and each connect.
_SILENT_PART: Final = 0.5
_SILENT_BEATS: Final = 1.4
_WELCOME_PART: Final = 0.3
_SHORTEST: Final = 1.0
# A stream that lived this long was a good one: the next try comes at once.
_GOOD_SECONDS: Final = 10.0
_GOODBYE_SECONDS: Final = 2.0


class _Stream:
    """One stream, from Hello to its end.

    Args:
        session: What the worker holds and owes.
        hello: What the worker says of itself.
        start: Starts tasks.
        sooner: Hears that the stream may be overdue sooner than it was to be.
    """

    def __init__(
        self,
        session: Session,
        hello: wire.Hello,
        start: Callable[[list[HeldTask]], None],
        sooner: Callable[[], None],
    ) -> None:
        self._session, self._hello, self._start, self._sooner = session, hello, start, sooner
        self._call: grpc.Call | None = None
        self._welcomed = self._ending = self._closed = False
        self._heard = self._beat_answered = time.monotonic()
        self._silence = _between(session.lease * _WELCOME_PART, _WELCOME_SECONDS)
        self._leave_at = float("inf")

    def run(self, stubs: Stubs) -> None:
        """Speak and listen until the stream ends.

        Raises:
            grpc.RpcError: It ended with a status other than OK.
        """
        self._session.open_stream(self._hello)
        call = stubs.worker_control.Connect(self._frames(), metadata=_tracing.current())
        self._call = call
        try:
            for message in call:
                self._heard = time.monotonic()
                self._accept(message)
        finally:
            self._closed = True
            call.cancel()
            self._session.close_stream()

    def end(self) -> None:
        """Say what is left to say and no more; the server then ends the stream."""
        with self._session.changed:
            self._ending = True
            self._session.changed.notify_all()

    def cancel(self) -> None:
        """End the stream at once."""
        if self._call is not None:
            self._call.cancel()

    @property
    def overdue_at(self) -> float:
        """When the server will have been silent for too long, or asked to be left."""
        return float("inf") if self._closed else min(self._heard + self._silence, self._leave_at)

    def is_healthy(self, now: float) -> bool:
        """Whether it was welcomed and its beats are answered."""
        return self._welcomed and not self._closed and now - self._beat_answered <= self._silence

    @property
    def left(self) -> bool:
        """Whether the server asked to be left."""
        return self._leave_at < float("inf")

    def _frames(self) -> Iterator[wire.ConnectRequest]:
        """What to send; gRPC consumes it in a thread of its own."""
        yield wire.ConnectRequest(hello=self._hello)
        while (frame := self._next_frame()) is not None:
            yield frame

    def _next_frame(self) -> wire.ConnectRequest | None:
        """Wait for something to send; None when the stream is to end."""
        with self._session.changed:
            while not self._closed:
                frame = self._session.next_frame() if self._welcomed else None
                if frame is not None or self._ending:
                    return frame
                self._session.changed.wait(self._session.until_beat() if self._welcomed else None)
        return None

    def _accept(self, message: wire.ConnectResponse) -> None:
        match message.WhichOneof("frame"):
            case "assignments":
                self._start(self._session.assigned(message.assignments.tasks))
            case "report_results":
                self._session.acknowledged(message.report_results.results)
            case "beat_reply":
                self._beat_answered = self._heard
                self._session.beat_answered(message.beat_reply)
            case "cancel_tasks":
                self._session.cancel(message.cancel_tasks.task_tokens)
            case "welcome":
                self._welcome(message.welcome)
            case "go_away":
                within = message.go_away.reconnect_within.ToTimedelta().total_seconds()
                self._leave_at = self._heard + random.uniform(0.0, within)  # noqa: S311 - spreads load
                self._sooner()
            case _:
                _log.debug("passed over a frame of a newer server")

    def _welcome(self, welcome: wire.Welcome) -> None:
        interval = welcome.beat_interval.ToTimedelta().total_seconds() or 5.0
        self._session.welcomed(welcome)
        tolerated = max(self._session.lease * _SILENT_PART, _SILENT_BEATS * interval)
        self._silence = _between(tolerated, 3 * interval)
        self._beat_answered = self._heard
        self._welcomed = True
        self._sooner()
        _log.info("connected as %s", self._hello.worker_id)


class Connection:
    """Keeps a worker connected.

    Args:
        address: Host and port.
        tls: How to talk TLS.
        hello: What the worker says of itself.
        session: What it holds and owes.
        start: Starts tasks.
    """

    def __init__(
        self,
        address: str,
        tls: TLS | None,
        hello: wire.Hello,
        session: Session,
        start: Callable[[list[HeldTask]], None],
    ) -> None:
        self._address, self._tls = address, tls
        self._hello, self._session, self._start = hello, session, start
        self._stream: _Stream | None = None
        self._closing = threading.Event()
        self._look_again = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_connected, name="flowmesh-stream", daemon=True),
            threading.Thread(target=self._watch_over, name="flowmesh-watchdog", daemon=True),
        ]

    @property
    def is_healthy(self) -> bool:
        """Whether a stream is alive and its beats are answered."""
        return self._stream is not None and self._stream.is_healthy(time.monotonic())

    def open(self) -> None:
        """Connect, and connect again for ever."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the stream in order, and after a moment in any case."""
        self._closing.set()
        self._look_again.set()
        if self._stream is not None:
            self._stream.end()
        self._threads[0].join(_GOODBYE_SECONDS)
        if self._stream is not None:
            self._stream.cancel()
        for thread in self._threads:
            thread.join(_GOODBYE_SECONDS)

    def _keep_connected(self) -> None:
        backoff = Backoff(0.1, _LONGEST_WAIT)
        while not self._closing.is_set():
            began = time.monotonic()
            left = self._serve()
            if left or time.monotonic() - began > _GOOD_SECONDS:
                backoff.reset()
            if not left:
                backoff.limit(min(_LONGEST_WAIT, self._session.lease * TRY_PART))
                self._closing.wait(backoff.next())

    def _serve(self) -> bool:
        """Live through one stream; True when the server asked to be left."""
        stream = self._stream = _Stream(self._session, self._hello, self._start, self._look_again.set)
        self._look_again.set()
        try:
            with open_channel(self._address, self._tls, within=self._session.lease) as channel:
                stream.run(Stubs(channel))
        except grpc.RpcError as error:
            if not (self._closing.is_set() or stream.left):
                _log.warning("the stream ended, connecting again: %s", _told(error))
        except Exception:  # noqa: BLE001 - a worker never stops connecting
            _log.exception("the stream broke")
        return stream.left

    def _watch_over(self) -> None:
        seconds = threading.TIMEOUT_MAX
        while not self._closing.is_set():
            self._look_again.wait(seconds)
            self._look_again.clear()
            seconds = self._look()

    def _look(self) -> float:
        """Cancel the stream if it is overdue; seconds until it can be, unless something is heard before."""
        if self._stream is None:
            return threading.TIMEOUT_MAX
        left = self._stream.overdue_at - time.monotonic()
        if left > 0:
            return min(left, threading.TIMEOUT_MAX)
        self._stream.cancel()
        return _SHORTEST


def _between(seconds: float, longest: float) -> float:
    return max(_SHORTEST, min(seconds, longest))


def _told(error: grpc.RpcError) -> str:
    call: Any = error
    return f"{call.code().name}: {call.details()}"
