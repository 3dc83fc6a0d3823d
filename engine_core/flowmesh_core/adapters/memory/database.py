"""What the twins of the PostgreSQL stores share: the tables and the clock."""

from __future__ import annotations

from dataclasses import dataclass

from flowmesh_core.domain.events import Event
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.cluster_store import Cluster
from flowmesh_core.ports.execution_store import ExecutionRecord
from flowmesh_core.ports.membership import Member
from flowmesh_core.ports.workflow_store import RegisteredVersion, RegisterResult


@dataclass(slots=True)
class MemberRow:
    """A member and the end of its lease."""

    member: Member
    lease_until: Micros


@dataclass(slots=True)
class PartitionRow:
    """A partition, its owner and its epoch."""

    owner: str | None = None
    epoch: int = 0


@dataclass(slots=True)
class RequestRow:
    """What a submission's request id stands for."""

    digest: str
    answer: ExecutionKey


@dataclass(slots=True)
class ExecutionRow:
    """An execution with the digest of what its caller asked for."""

    record: ExecutionRecord
    request_digest: str


class MemoryDatabase:
    """The tables behind the twins; give the same one to all stores of a cluster.

    A method of a twin never waits, so each is one transaction.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.cluster: Cluster | None = None
        self.members: dict[str, MemberRow] = {}
        self.partitions: dict[int, PartitionRow] = {}
        self.definitions: dict[tuple[str, str], Workflow] = {}
        self.versions: dict[tuple[str, str], list[RegisteredVersion]] = {}
        self.registrations: dict[tuple[str, str], RegisterResult] = {}
        self.requests: dict[tuple[str, str], RequestRow] = {}
        self.operations: dict[tuple[str, str, str], RequestRow] = {}
        """What request ids of operations on executions stand for, by namespace and method."""
        self.executions: dict[ExecutionKey, ExecutionRow] = {}
        self.histories: dict[ExecutionKey, dict[int, tuple[Event, ...]]] = {}
        """Rows by their first sequence, in order."""

    def is_alive(self, member_id: str | None) -> bool:
        """Whether a member's lease has not expired."""
        row = None if member_id is None else self.members.get(member_id)
        return row is not None and row.lease_until > self.clock.now()
