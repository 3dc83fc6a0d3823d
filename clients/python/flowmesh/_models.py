"""What the services answer, without protobuf."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from flowmesh._errors import FieldViolation
    from flowmesh._payload import Payload
    from flowmesh._states import BlockedOn, EventType, ExecutionState, FailureSource, NodeState, SkipReason
    from flowmesh._workflow.builder import Workflow


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt, a node or an execution did not succeed.

    Attributes:
        error_type: The stable kind of error, such as `ValueError` or `WorkerLost`.
        message: What a person should read.
        details: Whatever else was kept, such as a stack trace.
        source: Who found it; None when not said.
        node_id: The node that made an execution fail; empty on failures of a node.
    """

    error_type: str = ""
    message: str = ""
    details: Payload | None = None
    source: FailureSource | None = None
    node_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeExecution:
    """One node of an execution. Times are None before they come.

    Attributes:
        node_id: Its id in the graph.
        handler: The handler that runs it.
        state: Where it stands.
        attempt: The number of the newest attempt; 0 before the first.
        blocked_on: What it waits for; None when for nothing.
        schedule_time: When its newest attempt was made ready.
        start_time: When its newest attempt began to run.
        close_time: When it ended.
        next_attempt_time: When the next attempt is due.
        worker_id: The worker of the newest attempt that began.
        skip_reason: Why it was skipped.
        failure: The newest failure.
        output: What it returned, when payloads were asked for.
        dependencies: The ids of its parents.
    """

    node_id: str
    handler: str
    state: NodeState
    attempt: int = 0
    blocked_on: BlockedOn | None = None
    schedule_time: datetime | None = None
    start_time: datetime | None = None
    close_time: datetime | None = None
    next_attempt_time: datetime | None = None
    worker_id: str = ""
    skip_reason: SkipReason | None = None
    failure: Failure | None = None
    output: Payload | None = None
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a workflow. Times are None before they come.

    Attributes:
        namespace: The namespace it belongs to.
        execution_id: Its id, unique in the namespace.
        workflow_name: The workflow it runs.
        workflow_version: The registered version; 0 when submitted inline.
        workflow_digest: SHA-256 of the workflow, in hex.
        state: Where it stands.
        labels: What the submitter attached.
        create_time: When it was accepted.
        start_time: When it began.
        close_time: When it ended.
        failure: Why it failed or was cancelled.
        last_sequence: The sequence of its newest event.
        node_counts: How many nodes are in each state; empty in lists.
        nodes: Its nodes in the order of the graph, when asked for.
    """

    namespace: str
    execution_id: str
    workflow_name: str
    workflow_version: int
    workflow_digest: str
    state: ExecutionState
    labels: Mapping[str, str]
    create_time: datetime | None
    start_time: datetime | None
    close_time: datetime | None
    failure: Failure | None
    last_sequence: int
    node_counts: Mapping[NodeState, int]
    nodes: tuple[NodeExecution, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of an execution's history; fields that do not belong to its type are empty.

    Attributes:
        sequence: From 1, without gaps.
        event_time: When it was decided.
        type: What happened.
        node_id: The node it happened to.
        attempt: The attempt it happened to.
        worker_id: The worker that ran the attempt.
        start_time: When the attempt began to run.
        output: What the node returned, when payloads were asked for.
        failure: What went wrong.
        next_attempt_time: When the next attempt is due.
        skip_reason: Why the node was skipped.
        reason: The caller's words of a cancel.
    """

    sequence: int
    event_time: datetime | None
    type: EventType
    node_id: str = ""
    attempt: int = 0
    worker_id: str = ""
    start_time: datetime | None = None
    output: Payload | None = None
    failure: Failure | None = None
    next_attempt_time: datetime | None = None
    skip_reason: SkipReason | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where an execution and its nodes stand; what a fresh watch begins with."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Gap:
    """Events before `oldest_sequence` are gone; a snapshot follows."""

    oldest_sequence: int


@dataclass(frozen=True, slots=True)
class End:
    """The execution is closed; the last item of a watch."""

    execution: Execution


WatchItem: TypeAlias = Snapshot | Event | Gap | End


@dataclass(frozen=True, slots=True)
class WorkflowVersion:
    """One immutable registered version of a workflow.

    Attributes:
        namespace: The namespace it is registered in.
        name: The name of the workflow.
        version: From 1.
        digest: SHA-256 of the workflow, in hex.
        create_time: When it was registered.
        workflow: The workflow; None in lists and answers to `register`.
    """

    namespace: str
    name: str
    version: int
    digest: str
    create_time: datetime | None
    workflow: Workflow | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """What a service says about a workflow.

    Attributes:
        valid: True when there is no violation.
        violations: Every problem found.
        digest: SHA-256 of the workflow, in hex; empty when it is not valid.
    """

    valid: bool
    violations: tuple[FieldViolation, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One connected worker.

    Attributes:
        worker_id: What it calls itself.
        handlers: The handlers it offers.
        all_handlers: True when it takes every handler.
        slots: How many tasks it runs at once.
        held_tasks: How many it holds now.
        labels: Words about it.
        connect_time: When its session began.
        last_seen_time: When it was last heard of.
    """

    worker_id: str
    handlers: tuple[str, ...]
    all_handlers: bool
    slots: int
    held_tasks: int
    labels: Mapping[str, str] = field(default_factory=dict)
    connect_time: datetime | None = None
    last_seen_time: datetime | None = None
