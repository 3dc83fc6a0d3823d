"""Listing executions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        """Return one page; `violations` is what could not be read of the request.

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
        found = await self._executions.list(query, after=after, limit=size + 1)
        if len(found) <= size:
            return ExecutionPage(found, "")
        last = found[size - 1]
        return ExecutionPage(found[:size], tokens.encode(last.created_at, last.key.execution_id))


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
