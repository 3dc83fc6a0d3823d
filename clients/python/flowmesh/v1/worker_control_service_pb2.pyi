import datetime

from flowmesh.v1 import payload_pb2 as _payload_pb2
from flowmesh.v1 import task_pb2 as _task_pb2
from flowmesh.v1 import worker_pb2 as _worker_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConnectRequest(_message.Message):
    __slots__ = ("hello", "credit_grant", "reports", "beat", "drain")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    CREDIT_GRANT_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    credit_grant: CreditGrant
    reports: TaskReports
    beat: Beat
    drain: Drain
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., credit_grant: _Optional[_Union[CreditGrant, _Mapping]] = ..., reports: _Optional[_Union[TaskReports, _Mapping]] = ..., beat: _Optional[_Union[Beat, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ...) -> None: ...

class ConnectResponse(_message.Message):
    __slots__ = ("welcome", "assignments", "report_results", "beat_reply", "cancel_tasks", "go_away")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    REPORT_RESULTS_FIELD_NUMBER: _ClassVar[int]
    BEAT_REPLY_FIELD_NUMBER: _ClassVar[int]
    CANCEL_TASKS_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    assignments: TaskAssignments
    report_results: ReportResults
    beat_reply: BeatReply
    cancel_tasks: CancelTasks
    go_away: GoAway
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., assignments: _Optional[_Union[TaskAssignments, _Mapping]] = ..., report_results: _Optional[_Union[ReportResults, _Mapping]] = ..., beat_reply: _Optional[_Union[BeatReply, _Mapping]] = ..., cancel_tasks: _Optional[_Union[CancelTasks, _Mapping]] = ..., go_away: _Optional[_Union[GoAway, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("namespace", "worker_id", "handlers", "all_handlers", "slots", "labels", "protocol_versions", "capabilities", "session_id", "held_task_tokens")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLERS_FIELD_NUMBER: _ClassVar[int]
    ALL_HANDLERS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    HELD_TASK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    worker_id: str
    handlers: _containers.RepeatedScalarFieldContainer[str]
    all_handlers: bool
    slots: int
    labels: _containers.ScalarMap[str, str]
    protocol_versions: _containers.RepeatedScalarFieldContainer[int]
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    held_task_tokens: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, namespace: _Optional[str] = ..., worker_id: _Optional[str] = ..., handlers: _Optional[_Iterable[str]] = ..., all_handlers: bool = ..., slots: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., protocol_versions: _Optional[_Iterable[int]] = ..., capabilities: _Optional[_Iterable[str]] = ..., session_id: _Optional[str] = ..., held_task_tokens: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("session_id", "protocol_version", "capabilities", "lease_ttl", "beat_interval", "maximum_output_bytes", "lost_task_tokens")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    LEASE_TTL_FIELD_NUMBER: _ClassVar[int]
    BEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOST_TASK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    protocol_version: int
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    lease_ttl: _duration_pb2.Duration
    beat_interval: _duration_pb2.Duration
    maximum_output_bytes: int
    lost_task_tokens: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, session_id: _Optional[str] = ..., protocol_version: _Optional[int] = ..., capabilities: _Optional[_Iterable[str]] = ..., lease_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., beat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., maximum_output_bytes: _Optional[int] = ..., lost_task_tokens: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CreditGrant(_message.Message):
    __slots__ = ("credits",)
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    credits: int
    def __init__(self, credits: _Optional[int] = ...) -> None: ...

class TaskAssignments(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.Task]
    def __init__(self, tasks: _Optional[_Iterable[_Union[_task_pb2.Task, _Mapping]]] = ...) -> None: ...

class TaskReports(_message.Message):
    __slots__ = ("reports",)
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskReport]
    def __init__(self, reports: _Optional[_Iterable[_Union[_task_pb2.TaskReport, _Mapping]]] = ...) -> None: ...

class ReportResults(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_task_pb2.ReportResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_task_pb2.ReportResult, _Mapping]]] = ...) -> None: ...

class Beat(_message.Message):
    __slots__ = ("held_task_tokens", "heartbeats")
    HELD_TASK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEATS_FIELD_NUMBER: _ClassVar[int]
    held_task_tokens: _containers.RepeatedScalarFieldContainer[bytes]
    heartbeats: _containers.RepeatedCompositeFieldContainer[_task_pb2.Heartbeat]
    def __init__(self, held_task_tokens: _Optional[_Iterable[bytes]] = ..., heartbeats: _Optional[_Iterable[_Union[_task_pb2.Heartbeat, _Mapping]]] = ...) -> None: ...

class BeatReply(_message.Message):
    __slots__ = ("lost_task_tokens", "cancelled_task_tokens")
    LOST_TASK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_TASK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    lost_task_tokens: _containers.RepeatedScalarFieldContainer[bytes]
    cancelled_task_tokens: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, lost_task_tokens: _Optional[_Iterable[bytes]] = ..., cancelled_task_tokens: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CancelTasks(_message.Message):
    __slots__ = ("task_tokens",)
    TASK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    task_tokens: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, task_tokens: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GoAway(_message.Message):
    __slots__ = ("reconnect_within",)
    RECONNECT_WITHIN_FIELD_NUMBER: _ClassVar[int]
    reconnect_within: _duration_pb2.Duration
    def __init__(self, reconnect_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class PollTasksRequest(_message.Message):
    __slots__ = ("namespace", "worker_id", "handlers", "all_handlers", "maximum_tasks", "wait")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLERS_FIELD_NUMBER: _ClassVar[int]
    ALL_HANDLERS_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_TASKS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    worker_id: str
    handlers: _containers.RepeatedScalarFieldContainer[str]
    all_handlers: bool
    maximum_tasks: int
    wait: _duration_pb2.Duration
    def __init__(self, namespace: _Optional[str] = ..., worker_id: _Optional[str] = ..., handlers: _Optional[_Iterable[str]] = ..., all_handlers: bool = ..., maximum_tasks: _Optional[int] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class PollTasksResponse(_message.Message):
    __slots__ = ("tasks", "lease_ttl")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    LEASE_TTL_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.Task]
    lease_ttl: _duration_pb2.Duration
    def __init__(self, tasks: _Optional[_Iterable[_Union[_task_pb2.Task, _Mapping]]] = ..., lease_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CompleteTaskRequest(_message.Message):
    __slots__ = ("task_token", "output")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    task_token: bytes
    output: _payload_pb2.Payload
    def __init__(self, task_token: _Optional[bytes] = ..., output: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ...) -> None: ...

class CompleteTaskResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FailTaskRequest(_message.Message):
    __slots__ = ("task_token", "failure", "cancellation")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    YIELD_FIELD_NUMBER: _ClassVar[int]
    task_token: bytes
    failure: _task_pb2.TaskFailure
    cancellation: _task_pb2.TaskCancellation
    def __init__(self, task_token: _Optional[bytes] = ..., failure: _Optional[_Union[_task_pb2.TaskFailure, _Mapping]] = ..., cancellation: _Optional[_Union[_task_pb2.TaskCancellation, _Mapping]] = ..., **kwargs) -> None: ...

class FailTaskResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HeartbeatTasksRequest(_message.Message):
    __slots__ = ("heartbeats",)
    HEARTBEATS_FIELD_NUMBER: _ClassVar[int]
    heartbeats: _containers.RepeatedCompositeFieldContainer[_task_pb2.Heartbeat]
    def __init__(self, heartbeats: _Optional[_Iterable[_Union[_task_pb2.Heartbeat, _Mapping]]] = ...) -> None: ...

class HeartbeatTasksResponse(_message.Message):
    __slots__ = ("lost_task_tokens", "cancelled_task_tokens")
    LOST_TASK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_TASK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    lost_task_tokens: _containers.RepeatedScalarFieldContainer[bytes]
    cancelled_task_tokens: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, lost_task_tokens: _Optional[_Iterable[bytes]] = ..., cancelled_task_tokens: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ("namespace", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers", "next_page_token")
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[_worker_pb2.Worker]
    next_page_token: str
    def __init__(self, workers: _Optional[_Iterable[_Union[_worker_pb2.Worker, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
