import datetime

from flowmesh.v1 import event_pb2 as _event_pb2
from flowmesh.v1 import execution_pb2 as _execution_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WATCH_MODE_UNSPECIFIED: _ClassVar[WatchMode]
    WATCH_MODE_TERMINAL_ONLY: _ClassVar[WatchMode]
WATCH_MODE_UNSPECIFIED: WatchMode
WATCH_MODE_TERMINAL_ONLY: WatchMode

class GetExecutionRequest(_message.Message):
    __slots__ = ("namespace", "execution_id", "include_nodes", "include_payloads")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_NODES_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    execution_id: str
    include_nodes: bool
    include_payloads: bool
    def __init__(self, namespace: _Optional[str] = ..., execution_id: _Optional[str] = ..., include_nodes: bool = ..., include_payloads: bool = ...) -> None: ...

class GetExecutionResponse(_message.Message):
    __slots__ = ("execution", "nodes")
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    execution: _execution_pb2.Execution
    nodes: _containers.RepeatedCompositeFieldContainer[_execution_pb2.NodeExecution]
    def __init__(self, execution: _Optional[_Union[_execution_pb2.Execution, _Mapping]] = ..., nodes: _Optional[_Iterable[_Union[_execution_pb2.NodeExecution, _Mapping]]] = ...) -> None: ...

class ListExecutionsRequest(_message.Message):
    __slots__ = ("namespace", "workflow_name", "states", "labels", "created_after", "created_before", "page_size", "page_token")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_NAME_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    workflow_name: str
    states: _containers.RepeatedScalarFieldContainer[_execution_pb2.ExecutionState]
    labels: _containers.ScalarMap[str, str]
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., workflow_name: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_execution_pb2.ExecutionState, str]]] = ..., labels: _Optional[_Mapping[str, str]] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListExecutionsResponse(_message.Message):
    __slots__ = ("executions", "next_page_token")
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    executions: _containers.RepeatedCompositeFieldContainer[_execution_pb2.Execution]
    next_page_token: str
    def __init__(self, executions: _Optional[_Iterable[_Union[_execution_pb2.Execution, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchExecutionRequest(_message.Message):
    __slots__ = ("namespace", "execution_id", "resume_token", "include_payloads", "mode")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    execution_id: str
    resume_token: str
    include_payloads: bool
    mode: WatchMode
    def __init__(self, namespace: _Optional[str] = ..., execution_id: _Optional[str] = ..., resume_token: _Optional[str] = ..., include_payloads: bool = ..., mode: _Optional[_Union[WatchMode, str]] = ...) -> None: ...

class WatchExecutionResponse(_message.Message):
    __slots__ = ("resume_token", "snapshot", "event", "bookmark", "gap", "end")
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    snapshot: Snapshot
    event: _event_pb2.Event
    bookmark: Bookmark
    gap: Gap
    end: End
    def __init__(self, resume_token: _Optional[str] = ..., snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., bookmark: _Optional[_Union[Bookmark, _Mapping]] = ..., gap: _Optional[_Union[Gap, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("execution", "nodes")
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    execution: _execution_pb2.Execution
    nodes: _containers.RepeatedCompositeFieldContainer[_execution_pb2.NodeExecution]
    def __init__(self, execution: _Optional[_Union[_execution_pb2.Execution, _Mapping]] = ..., nodes: _Optional[_Iterable[_Union[_execution_pb2.NodeExecution, _Mapping]]] = ...) -> None: ...

class Bookmark(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Gap(_message.Message):
    __slots__ = ("oldest_sequence",)
    OLDEST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    oldest_sequence: int
    def __init__(self, oldest_sequence: _Optional[int] = ...) -> None: ...

class End(_message.Message):
    __slots__ = ("execution", "results")
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    execution: _execution_pb2.Execution
    results: _containers.RepeatedCompositeFieldContainer[_execution_pb2.NodeExecution]
    def __init__(self, execution: _Optional[_Union[_execution_pb2.Execution, _Mapping]] = ..., results: _Optional[_Iterable[_Union[_execution_pb2.NodeExecution, _Mapping]]] = ...) -> None: ...

class CancelExecutionRequest(_message.Message):
    __slots__ = ("namespace", "execution_id", "request_id", "reason", "grace")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    execution_id: str
    request_id: str
    reason: str
    grace: _duration_pb2.Duration
    def __init__(self, namespace: _Optional[str] = ..., execution_id: _Optional[str] = ..., request_id: _Optional[str] = ..., reason: _Optional[str] = ..., grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CancelExecutionResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: _execution_pb2.ExecutionState
    def __init__(self, state: _Optional[_Union[_execution_pb2.ExecutionState, str]] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("namespace", "execution_id", "include_payloads", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    execution_id: str
    include_payloads: bool
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., execution_id: _Optional[str] = ..., include_payloads: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
