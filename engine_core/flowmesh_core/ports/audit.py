"""Reading everything that is stored, to judge it from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from flowmesh_core.domain.events import Event
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.execution_store import ExecutionRecord


@dataclass(frozen=True, slots=True)
class AuditedRow:
    """One stored row of history, as it is and not as it should be.

    Attributes:
        key: The execution.
        first_sequence: The sequence that the row begins with.
        last_sequence: The sequence that it says it ends with.
        events: What is in it; empty when it cannot be read.
        problem: Why it cannot be read; empty when it can.
    """

    key: ExecutionKey
    first_sequence: int
    last_sequence: int
    events: Sequence[Event] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SubmissionRequest:
    """A request id of a submission, unique in its namespace."""

    namespace: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What lies in one stream of the transport.

    Attributes:
        name: The stream.
        entries: How many entries it holds.
        pending: How many of them somebody took and did not acknowledge.
    """

    name: str
    entries: int
    pending: int = 0


class AuditSnapshot(Protocol):
    """The system of record at one moment. Iterators read in bounded batches."""

    def records(self) -> AsyncIterator[ExecutionRecord]:
        """Yield every execution by key; `input` is left NULL."""

    def rows(self) -> AsyncIterator[AuditedRow]:
        """Yield every row of history by key and first sequence, also of unknown executions."""

    def unanswered_requests(self) -> AsyncIterator[SubmissionRequest]:
        """Yield the request ids of submissions that stand for an execution which is not there."""

    async def answers(
        self, requests: Collection[SubmissionRequest]
    ) -> Mapping[SubmissionRequest, ExecutionKey]:
        """Return what the stored ones of these request ids stand for."""

    async def last_sequences(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, int]:
        """Return the last sequence of these executions; 0 without history, absent when unknown."""


class AuditStore(Protocol):
    """Reads the system of record without changing it. May raise `StoreUnavailable`."""

    def snapshot(self) -> AbstractAsyncContextManager[AuditSnapshot]:
        """Open a consistent view: what is committed later is not in it, however long it is read."""


class TransportAudit(Protocol):
    """Reads the transport without changing it. May raise `StoreUnavailable`."""

    def marks(self) -> AsyncIterator[Mapping[ExecutionKey, int]]:
        """Yield the dispatched sequences of all partitions, in bounded batches."""

    def backlogs(self) -> AsyncIterator[Backlog]:
        """Yield every stream of commands, of tasks, and of what could not be decoded."""
