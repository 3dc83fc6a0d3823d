"""Accepted executions: what was asked for, and where each stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from enum import Enum
from typing import Protocol

from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_core.domain.record import record
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Workflow


@record(frozen=True, slots=True)
class NewExecution:
    """An execution to be accepted.

    Attributes:
        key: Its identity.
        partition: Where it lives.
        workflow: What it runs, given when the definition may not be stored yet;
            None when it is known to be (a registered one).
        workflow_name: The name of the workflow.
        workflow_version: The registered version; 0 for an inline workflow.
        workflow_digest: The digest of the workflow (`definition.digest`).
        input: The input of the execution.
        labels: Words to find it by.
        request_id: The caller's idempotency key; empty for none.
        request_digest: Digest over everything the caller asked for but the request id.
        traceparent: W3C trace context of the call; may be empty.
        created_at: When it was accepted.
    """

    key: ExecutionKey
    partition: int
    workflow: Workflow | None
    workflow_name: str
    workflow_version: int
    workflow_digest: str
    request_digest: str
    created_at: Micros
    input: Payload = NULL
    labels: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    traceparent: str = ""


class CreateStatus(Enum):
    """What became of a `NewExecution`."""

    CREATED = "created"
    REPLAYED = "replayed"
    """The same request, or the same execution id with the same content, was accepted before."""
    REQUEST_MISMATCH = "request_mismatch"
    """The request id was used with another digest."""
    EXECUTION_EXISTS = "execution_exists"
    """The execution id is taken by other content."""


@record(frozen=True, slots=True)
class CreateResult:
    """The answer for one `NewExecution`; `key` is that of the execution that stands for it."""

    status: CreateStatus
    key: ExecutionKey


@record(frozen=True, slots=True)
class ExecutionRecord:
    """An execution as listed: everything but its history."""

    key: ExecutionKey
    partition: int
    workflow_name: str
    workflow_version: int
    workflow_digest: str
    labels: Mapping[str, str]
    input: Payload
    status: ExecutionStatus
    created_at: Micros
    started_at: Micros | None = None
    closed_at: Micros | None = None
    failure: Failure | None = None
    traceparent: str = ""


@record(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions to list; unset fields do not restrict."""

    namespace: str
    workflow_name: str = ""
    statuses: frozenset[ExecutionStatus] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_after: Micros | None = None
    """At this moment or later."""
    created_before: Micros | None = None
    """Before this moment."""


@record(frozen=True, slots=True)
class ListPosition:
    """The last execution of a page: the next page begins after it."""

    created_at: Micros
    execution_id: str


@record(frozen=True, slots=True)
class PendingKey:
    """An execution that has not begun; they are read in the order of `created_at`, then of `key`."""

    created_at: Micros
    partition: int
    key: ExecutionKey


class ExecutionStore(Protocol):
    """Keeps one record per execution. All methods may raise `StoreUnavailable`."""

    async def create(self, executions: Sequence[NewExecution]) -> Sequence[CreateResult]:
        """Accept executions, each decided by itself, in one commit; answers in the same order.

        When this returns, what is CREATED survives any crash. Items of one call
        may repeat each other; the first one wins. A digest without a stored
        definition and without `workflow` raises `WorkflowNotFound`.
        """

    async def claim_request(
        self, key: ExecutionKey, method: str, request_id: str, digest: str, created_at: Micros
    ) -> bool:
        """Let a request id stand for one operation on an execution, such as `CancelExecution`.

        Returns False when the id stands for another digest in this namespace and
        method; True when it is new or stands for this one. The record goes with
        the execution in `delete_closed`.
        """

    async def get(self, key: ExecutionKey) -> ExecutionRecord | None:
        """Return one record, or None when there is none."""

    async def get_many(self, keys: Collection[ExecutionKey]) -> Sequence[ExecutionRecord]:
        """Return the records that exist, in any order, in one round trip."""

    async def list(
        self, query: ExecutionFilter, *, after: ListPosition | None, limit: int
    ) -> Sequence[ExecutionRecord]:
        """Return the newest first, at most `limit`, from behind `after`; `input` is left NULL."""

    async def open_keys(self, partitions: Collection[int]) -> Sequence[ExecutionKey]:
        """Return every execution of these partitions that is neither PENDING nor terminal."""

    async def pending_keys(
        self, created_before: Micros, limit: int, after: PendingKey | None = None
    ) -> Sequence[PendingKey]:
        """Return PENDING executions accepted before a moment, the oldest first, at most `limit`.

        With `after`, only those behind that place, which need not be PENDING any more.
        """

    async def delete_closed(self, closed_before: Micros, limit: int) -> int:
        """Remove closed executions with their histories and request records; return how many.

        Definitions that nothing refers to any more are left alone.
        """
