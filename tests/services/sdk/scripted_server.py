"""A real gRPC server that answers as a test tells it to.

It runs on threads, so that tests may block the event loop of the process.
"""

from __future__ import annotations

import queue
import threading
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import grpc
from google.protobuf import any_pb2, message_factory
from google.rpc import status_pb2

from flowmesh.v1 import (
    orchestration_service_pb2,
    submission_service_pb2,
    task_pb2,
    worker_control_service_pb2,
)
from flowmesh.v1 import worker_control_service_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

PATIENCE = 10.0
_FILES = (submission_service_pb2, orchestration_service_pb2, worker_control_service_pb2)
_END = object()


@dataclass(frozen=True)
class Refusal:
    """An error to answer with."""

    code: grpc.StatusCode
    message: str = ""
    details: tuple[Message, ...] = ()

    def abort(self, context: grpc.ServicerContext) -> None:
        packed = []
        for detail in self.details:
            packed.append(any_pb2.Any())
            packed[-1].Pack(detail)
        status = status_pb2.Status(code=self.code.value[0], message=self.message, details=packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(self.code, self.message)


@dataclass
class Received:
    """A call that came in."""

    request: Any
    metadata: dict[str, str]


@dataclass
class WorkerStream:
    """One Connect stream, seen from the server."""

    metadata: dict[str, str]
    answers_beats: bool = True
    frames: queue.Queue[Any] = field(default_factory=queue.Queue)
    replies: queue.Queue[Any] = field(default_factory=queue.Queue)

    def take_in(self, frames: Iterator[wire.ConnectRequest]) -> None:
        try:
            for frame in frames:
                self.frames.put(frame)
                if self.answers_beats and frame.HasField("beat"):
                    self.send(beat_reply=wire.BeatReply())
        except grpc.RpcError:  # the stream broke, which tests see as its end
            pass
        self.frames.put(_END)
        self.end()

    def receive(self, timeout: float = PATIENCE) -> wire.ConnectRequest | None:
        """The next frame; None when the worker ended the stream."""
        frame = self.frames.get(timeout=timeout)
        return None if frame is _END else frame

    def expect(self, kind: str) -> Any:
        """The next frame of a kind; frames of other kinds before it are passed over."""
        while (frame := self.receive()) is not None:
            if frame.WhichOneof("frame") == kind:
                return getattr(frame, kind)
        raise AssertionError(f"the stream ended before {kind}")

    def send(self, **frame: Any) -> None:
        self.replies.put(wire.ConnectResponse(**frame))

    def assign(self, *tasks: task_pb2.Task) -> None:
        self.send(assignments=wire.TaskAssignments(tasks=tasks))

    def report(self) -> task_pb2.TaskReport:
        """The one report of the next frame of reports."""
        (report,) = self.expect("reports").reports
        assert isinstance(report, task_pb2.TaskReport)
        return report

    def answer(self, *tokens: bytes, status: int = task_pb2.REPORT_STATUS_ACCEPTED, reason: str = "") -> None:
        results = [task_pb2.ReportResult(task_token=t, status=status, reason=reason) for t in tokens]  # type: ignore[arg-type]
        self.send(report_results=wire.ReportResults(results=results))

    def welcome(
        self,
        *,
        beat: float = 60.0,
        lease: float | None = None,
        output_bytes: int = 1_000_000,
        lost: Iterable[bytes] = (),
    ) -> None:
        welcome = wire.Welcome(
            session_id="session", protocol_version=1, maximum_output_bytes=output_bytes, lost_task_tokens=lost
        )
        welcome.beat_interval.FromNanoseconds(int(beat * 1e9))
        welcome.lease_ttl.FromNanoseconds(int((lease or beat * 6) * 1e9))
        self.send(welcome=welcome)

    def end(self, refusal: Refusal | None = None) -> None:
        self.replies.put(refusal or _END)


def task(token: bytes, handler: str, config: bytes = b"{}", **fields: Any) -> task_pb2.Task:
    """A task as the engine would assign it."""
    made = task_pb2.Task(
        task_token=token,
        namespace="default",
        execution_id="e1",
        node_id=fields.pop("node_id", "n1"),
        handler=handler,
        attempt=fields.pop("attempt", 1),
        idempotency_key="key",
        **fields,
    )
    made.input.data = config
    return made


class ScriptedServer:
    """Answers unary calls and watches from scripts, and hands worker streams to the test."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self._credentials = credentials
        self.received: dict[str, list[Received]] = defaultdict(list)
        self.streams: queue.Queue[WorkerStream] = queue.Queue()
        self._scripts: dict[str, deque[Any]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._server: grpc.Server | None = None
        self.address = ""

    def __enter__(self) -> Self:
        self._serve("127.0.0.1:0")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self, address: str) -> None:
        server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        for module in _FILES:
            for service in module.DESCRIPTOR.services_by_name.values():
                handlers = {method.name: self._handler(method) for method in service.methods}
                server.add_generic_rpc_handlers(
                    (grpc.method_handlers_generic_handler(service.full_name, handlers),)
                )
        self.address = f"127.0.0.1:{self._bind(server, address)}"
        server.start()
        self._server = server

    def _bind(self, server: grpc.Server, address: str) -> int:
        if self._credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, self._credentials)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None

    def start(self) -> None:
        """Serve again where it did before."""
        self._serve(self.address)

    def restart(self) -> None:
        self.stop()
        self.start()

    def script(self, method: str, *answers: Any) -> None:
        """What the next calls of a method get: a message, a refusal, or for a watch a list of both."""
        self._scripts[method].extend(answers)

    def accept(self) -> WorkerStream:
        """The next stream that a worker opens."""
        return self.streams.get(timeout=PATIENCE)

    def welcome(self, **how: Any) -> WorkerStream:
        """The next stream that a worker opens, welcomed."""
        stream = self.accept()
        stream.expect("hello")
        stream.welcome(**how)
        return stream

    def _handler(self, method: Any) -> grpc.RpcMethodHandler[Any, Any]:
        request = message_factory.GetMessageClass(method.input_type)
        name = method.name
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._connect, request.FromString, lambda m: m.SerializeToString()
            )
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(
                lambda r, c: self._stream(name, r, c), request.FromString, lambda m: m.SerializeToString()
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda r, c: self._unary(name, r, c), request.FromString, lambda m: m.SerializeToString()
        )

    def _next(self, name: str, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock:
            self.received[name].append(Received(request, _metadata(context)))
            if self._scripts[name]:
                return self._scripts[name].popleft()
        return Refusal(grpc.StatusCode.UNIMPLEMENTED, f"no script for {name}")

    def _unary(self, name: str, request: Any, context: grpc.ServicerContext) -> Any:
        answer = self._next(name, request, context)
        if isinstance(answer, Refusal):
            answer.abort(context)
        return answer(request) if callable(answer) else answer

    def _stream(self, name: str, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        answers = self._next(name, request, context)
        for answer in [answers] if isinstance(answers, Refusal) else answers:
            if isinstance(answer, Refusal):
                answer.abort(context)
            elif isinstance(answer, threading.Event):
                answer.wait(PATIENCE)
            else:
                yield answer

    def _connect(self, frames: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        stream = WorkerStream(_metadata(context))
        context.add_callback(lambda: stream.replies.put(_END))
        threading.Thread(target=stream.take_in, args=(frames,), daemon=True).start()
        self.streams.put(stream)
        while (reply := stream.replies.get()) is not _END:
            if isinstance(reply, Refusal):
                reply.abort(context)
            yield reply


def _metadata(context: grpc.ServicerContext) -> dict[str, str]:
    return {key: str(value) for key, value in context.invocation_metadata()}
