"""Cuts many submissions into calls of a bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flowmesh._client import calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flowmesh.v1 import submission_service_pb2 as submission

_MAXIMUM_ITEMS: Final = 1_000
_MAXIMUM_BYTES: Final = 3 * 1024 * 1024


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
