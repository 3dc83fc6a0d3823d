"""Many submissions: cut into calls of a bounded size, and sent again where that helps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from flowmesh._client import calls
from flowmesh._client.retry import Attempts, may_pass
from flowmesh._errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from flowmesh.v1 import submission_service_pb2 as submission

_MAXIMUM_ITEMS: Final = 1_000
_MAXIMUM_BYTES: Final = 3 * 1024 * 1024


class Batch:
    """The submissions of one call. Those that were refused for now go out again, without the others."""

    def __init__(
        self,
        requests: Sequence[submission.SubmitWorkflowRequest],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open = dict(enumerate(requests))
        self._outcomes: dict[int, str | ServiceError] = {}
        self._attempts = Attempts(timeout, clock)

    @property
    def call(self) -> calls.Call[list[str | ServiceError]]:
        """What to send: everything that is still open."""
        return calls.submit_many(list(self._open.values()))

    def take(self, answers: list[str | ServiceError]) -> float | None:
        """Keep the answers to `call`; return the seconds until it goes out again, None when it does not."""
        answered = dict(zip(self._open, answers, strict=True))
        self._outcomes |= answered
        later = {
            n: error for n, error in answered.items() if isinstance(error, ServiceError) and may_pass(error)
        }
        self._open = {number: self._open[number] for number in later}
        if not later:
            return None
        try:
            return self._attempts.delay_or_raise(
                max(later.values(), key=lambda error: error.retry_after or 0.0)
            )
        except ServiceError:  # there is no time left
            return None

    @property
    def outcomes(self) -> list[str | ServiceError]:
        """The newest answer to each submission, in their order."""
        return [self._outcomes[number] for number in range(len(self._outcomes))]


def chunks(
    namespace: str, items: Iterable[calls.Submission]
) -> Iterator[list[submission.SubmitWorkflowRequest]]:
    """The requests of many submissions, each list small enough for one call."""
    chunk: list[submission.SubmitWorkflowRequest] = []
    size = 0
    for item in items:
        request = calls.submit_request(namespace, item)
        added = request.ByteSize()
        if chunk and (len(chunk) == _MAXIMUM_ITEMS or size + added > _MAXIMUM_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(request)
        size += added
    if chunk:
        yield chunk
