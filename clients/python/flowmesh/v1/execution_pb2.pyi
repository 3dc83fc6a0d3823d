import datetime

from flowmesh.v1 import failure_pb2 as _failure_pb2
from flowmesh.v1 import payload_pb2 as _payload_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExecutionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXECUTION_STATE_UNSPECIFIED: _ClassVar[ExecutionState]
    EXECUTION_STATE_PENDING: _ClassVar[ExecutionState]
    EXECUTION_STATE_RUNNING: _ClassVar[ExecutionState]
    EXECUTION_STATE_CANCELLING: _ClassVar[ExecutionState]
    EXECUTION_STATE_COMPLETED: _ClassVar[ExecutionState]
    EXECUTION_STATE_FAILED: _ClassVar[ExecutionState]
    EXECUTION_STATE_CANCELLED: _ClassVar[ExecutionState]

class NodeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NODE_STATE_UNSPECIFIED: _ClassVar[NodeState]
    NODE_STATE_PENDING: _ClassVar[NodeState]
    NODE_STATE_SCHEDULED: _ClassVar[NodeState]
    NODE_STATE_RUNNING: _ClassVar[NodeState]
    NODE_STATE_COMPLETED: _ClassVar[NodeState]
    NODE_STATE_FAILED: _ClassVar[NodeState]
    NODE_STATE_CANCELLED: _ClassVar[NodeState]
    NODE_STATE_SKIPPED: _ClassVar[NodeState]
    NODE_STATE_UPSTREAM_FAILED: _ClassVar[NodeState]

class BlockedOn(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BLOCKED_ON_UNSPECIFIED: _ClassVar[BlockedOn]
    BLOCKED_ON_PARENTS: _ClassVar[BlockedOn]
    BLOCKED_ON_DISPATCH_WINDOW: _ClassVar[BlockedOn]
    BLOCKED_ON_NO_WORKER: _ClassVar[BlockedOn]
    BLOCKED_ON_WORKER_SLOT: _ClassVar[BlockedOn]
    BLOCKED_ON_RETRY_BACKOFF: _ClassVar[BlockedOn]

class SkipReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SKIP_REASON_UNSPECIFIED: _ClassVar[SkipReason]
    SKIP_REASON_CONDITION_FALSE: _ClassVar[SkipReason]
    SKIP_REASON_UPSTREAM_SKIPPED: _ClassVar[SkipReason]
EXECUTION_STATE_UNSPECIFIED: ExecutionState
EXECUTION_STATE_PENDING: ExecutionState
EXECUTION_STATE_RUNNING: ExecutionState
EXECUTION_STATE_CANCELLING: ExecutionState
EXECUTION_STATE_COMPLETED: ExecutionState
EXECUTION_STATE_FAILED: ExecutionState
EXECUTION_STATE_CANCELLED: ExecutionState
NODE_STATE_UNSPECIFIED: NodeState
NODE_STATE_PENDING: NodeState
NODE_STATE_SCHEDULED: NodeState
NODE_STATE_RUNNING: NodeState
NODE_STATE_COMPLETED: NodeState
NODE_STATE_FAILED: NodeState
NODE_STATE_CANCELLED: NodeState
NODE_STATE_SKIPPED: NodeState
NODE_STATE_UPSTREAM_FAILED: NodeState
BLOCKED_ON_UNSPECIFIED: BlockedOn
BLOCKED_ON_PARENTS: BlockedOn
BLOCKED_ON_DISPATCH_WINDOW: BlockedOn
BLOCKED_ON_NO_WORKER: BlockedOn
BLOCKED_ON_WORKER_SLOT: BlockedOn
BLOCKED_ON_RETRY_BACKOFF: BlockedOn
SKIP_REASON_UNSPECIFIED: SkipReason
SKIP_REASON_CONDITION_FALSE: SkipReason
SKIP_REASON_UPSTREAM_SKIPPED: SkipReason

class Execution(_message.Message):
    __slots__ = ("namespace", "execution_id", "workflow_name", "workflow_version", "workflow_digest", "state", "labels", "create_time", "start_time", "close_time", "failure", "last_sequence", "node_counts")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_NAME_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_DIGEST_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    CLOSE_TIME_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    NODE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    execution_id: str
    workflow_name: str
    workflow_version: int
    workflow_digest: str
    state: ExecutionState
    labels: _containers.ScalarMap[str, str]
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    close_time: _timestamp_pb2.Timestamp
    failure: _failure_pb2.Failure
    last_sequence: int
    node_counts: _containers.RepeatedCompositeFieldContainer[NodeStateCount]
    def __init__(self, namespace: _Optional[str] = ..., execution_id: _Optional[str] = ..., workflow_name: _Optional[str] = ..., workflow_version: _Optional[int] = ..., workflow_digest: _Optional[str] = ..., state: _Optional[_Union[ExecutionState, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., close_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., failure: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ..., last_sequence: _Optional[int] = ..., node_counts: _Optional[_Iterable[_Union[NodeStateCount, _Mapping]]] = ...) -> None: ...

class NodeStateCount(_message.Message):
    __slots__ = ("state", "count")
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    state: NodeState
    count: int
    def __init__(self, state: _Optional[_Union[NodeState, str]] = ..., count: _Optional[int] = ...) -> None: ...

class NodeExecution(_message.Message):
    __slots__ = ("node_id", "handler", "state", "attempt", "blocked_on", "schedule_time", "start_time", "close_time", "next_attempt_time", "worker_id", "skip_reason", "failure", "output", "dependencies")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_ON_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    CLOSE_TIME_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    SKIP_REASON_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    handler: str
    state: NodeState
    attempt: int
    blocked_on: BlockedOn
    schedule_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    close_time: _timestamp_pb2.Timestamp
    next_attempt_time: _timestamp_pb2.Timestamp
    worker_id: str
    skip_reason: SkipReason
    failure: _failure_pb2.Failure
    output: _payload_pb2.Payload
    dependencies: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, node_id: _Optional[str] = ..., handler: _Optional[str] = ..., state: _Optional[_Union[NodeState, str]] = ..., attempt: _Optional[int] = ..., blocked_on: _Optional[_Union[BlockedOn, str]] = ..., schedule_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., close_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., worker_id: _Optional[str] = ..., skip_reason: _Optional[_Union[SkipReason, str]] = ..., failure: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ..., output: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ..., dependencies: _Optional[_Iterable[str]] = ...) -> None: ...
