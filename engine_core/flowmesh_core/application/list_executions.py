"""Listing executions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowmesh_core.application.page_bytes import PAGE_BYTES, fitting
from flowmesh_core.application.page_token import PageTokens
from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.execution_store import (
    ExecutionFilter,
    ExecutionRecord,
    ExecutionStore,
    ListPosition,
)

_CHUNK = 101
_RECORD_BYTES = 500


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """Some executions, and the token of the next page; empty on the last."""

    executions: Sequence[ExecutionRecord]
    next_page_token: str


class ListExecutions:
    """Lists executions, the newest first."""

    def __init__(self, executions: ExecutionStore) -> None:
        """Read from `executions`."""
        self._executions = executions

    async def __call__(
        self,
        query: ExecutionFilter,
        page_size: int,
        page_token: str,
        violations: Sequence[FieldViolation] = (),
    ) -> ExecutionPage:
        """Return one page; it is shorter than asked for when its labels or failures are large.

        `violations` is what could not be read of the request.

        Raises:
            InvalidRequest: A field is malformed, or the token was not given for these filters.
            StoreUnavailable: The store does not answer.
        """
        check = RequestCheck(violations)
        check.name("namespace", query.namespace)
        if query.workflow_name:
            check.name("workflow_name", query.workflow_name)
        check.labels("labels", query.labels)
        size = check.page_size(page_size)
        check.refuse_if_wrong()
        tokens = _tokens(query)
        after = _position(tokens, page_token) if page_token else None
        found = await self._read(query, after, size)
        page = fitting(found[:size], _record_size)
        if len(page) == len(found):
            return ExecutionPage(page, "")
        last = _place(page[-1])
        return ExecutionPage(page, tokens.encode(last.created_at, last.execution_id))

    async def _read(
        self, query: ExecutionFilter, after: ListPosition | None, size: int
    ) -> Sequence[ExecutionRecord]:
        """Return the next records: one more than a page shows, if there are, and not many more."""
        found: list[ExecutionRecord] = []
        weight = 0
        while len(found) <= size and weight <= PAGE_BYTES:
            limit = min(_CHUNK, size + 1 - len(found))
            chunk = await self._executions.list(query, after=after, limit=limit)
            found += chunk
            if len(chunk) < limit:
                return found
            weight += sum(map(_record_size, chunk))
            after = _place(chunk[-1])
        return found


def _tokens(query: ExecutionFilter) -> PageTokens:
    return PageTokens(
        "executions",
        query.namespace,
        query.workflow_name,
        sorted(query.statuses),
        dict(query.labels),
        query.created_after,
        query.created_before,
    )


def _position(tokens: PageTokens, token: str) -> ListPosition:
    created_at, execution_id = tokens.decode(token, (int, str))
    return ListPosition(Micros(int(created_at)), str(execution_id))


def _place(record: ExecutionRecord) -> ListPosition:
    return ListPosition(record.created_at, record.key.execution_id)


def _record_size(record: ExecutionRecord) -> int:
    labels = sum(len(key) + len(value) for key, value in record.labels.items())
    return _RECORD_BYTES + labels + (0 if record.failure is None else record.failure.size)
