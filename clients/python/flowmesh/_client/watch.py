"""Following an execution over any number of streams, without I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from flowmesh import _decode
from flowmesh._client.retry import Backoff
from flowmesh._errors import (
    AccessError,
    InvalidRequestError,
    NotFoundError,
    ResultTimeoutError,
    ServiceError,
)
from flowmesh._models import End, Event, Snapshot
from flowmesh._states import EventType
from flowmesh.v1 import orchestration_service_pb2 as orchestration

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowmesh._models import WatchItem

# A stream is renewed this often, so that one that hangs cannot hold a watcher longer.
_STREAM_SECONDS: Final = 120.0
# How long a watch that was alive tries to come back.
_PATIENCE_SECONDS: Final = 600.0
_FINAL: Final = (AccessError, InvalidRequestError, NotFoundError)
_FINAL_CODES: Final = ("OUT_OF_RANGE", "UNIMPLEMENTED", "FAILED_PRECONDITION")


class WatchCursor:
    """Where a watch is: the newest token, the last sequence, and whether it ended.

    Args:
        namespace: The namespace of the execution.
        execution_id: The execution.
        payloads: Whether to ask for outputs.
        mode: How much to ask for.
        timeout: Seconds until the watch gives up; None never does.
        connect_timeout: Seconds to try before the first message.
    """

    def __init__(
        self,
        namespace: str,
        execution_id: str,
        *,
        payloads: bool = False,
        mode: orchestration.WatchMode = orchestration.WATCH_MODE_UNSPECIFIED,
        timeout: float | None = None,
        connect_timeout: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = orchestration.WatchExecutionRequest(
            namespace=namespace,
            execution_id=execution_id,
            include_payloads=payloads,
            mode=mode,
        )
        self._clock = clock
        self._deadline = None if timeout is None else clock() + timeout
        self._patience = connect_timeout
        self._last_heard = clock()
        self._last_sequence = 0
        self._backoff = Backoff()
        self.ended = False

    @property
    def request(self) -> orchestration.WatchExecutionRequest:
        """What the next stream is opened with."""
        return self._request

    def stream_seconds(self) -> float:
        """How long the next stream may live.

        Raises:
            ResultTimeoutError: The time of the whole watch is up.
        """
        if self._deadline is None:
            return _STREAM_SECONDS
        left = self._deadline - self._clock()
        if left <= 0:
            raise self._timed_out(None)
        return min(left, _STREAM_SECONDS)

    def accept(self, message: orchestration.WatchExecutionResponse) -> WatchItem | None:
        """Take in a message; the item to show, if it holds one that is new."""
        self._request.resume_token = message.resume_token
        self._last_heard, self._patience = self._clock(), _PATIENCE_SECONDS
        self._backoff.reset()
        item = _decode.watch_item(message)
        if isinstance(item, Event):
            return self._new(item)
        if isinstance(item, Snapshot):
            self._last_sequence = item.execution.last_sequence
        self.ended = self.ended or isinstance(item, End)
        return item

    def _new(self, event: Event) -> Event | None:
        if event.sequence <= self._last_sequence:
            return None
        self._last_sequence = event.sequence
        return None if event.type is EventType.UNKNOWN else event

    def delay_or_raise(self, error: ServiceError | None) -> float:
        """Seconds to wait before the next stream, after one that ended with `error` or well.

        Raises:
            ServiceError: The error, when no further stream would help.
            ResultTimeoutError: The time of the whole watch would be up.
        """
        if error is not None and (isinstance(error, _FINAL) or error.code in _FINAL_CODES):
            raise error
        delay = self._backoff.next(None if error is None else error.retry_after)
        then = self._clock() + delay
        if self._deadline is not None and then >= self._deadline:
            raise self._timed_out(error) from error
        if then - self._last_heard > self._patience:
            raise error or self._timed_out(None)
        return delay

    def _timed_out(self, error: ServiceError | None) -> ResultTimeoutError:
        because = "" if error is None else f"; the last watch ended with {error}"
        said = f"execution {self._request.execution_id} did not end in the time given{because}"
        return ResultTimeoutError(said)
