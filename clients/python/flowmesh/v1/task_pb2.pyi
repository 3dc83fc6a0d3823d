import datetime

from flowmesh.v1 import failure_pb2 as _failure_pb2
from flowmesh.v1 import payload_pb2 as _payload_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_STATUS_UNSPECIFIED: _ClassVar[ReportStatus]
    REPORT_STATUS_ACCEPTED: _ClassVar[ReportStatus]
    REPORT_STATUS_SUPERSEDED: _ClassVar[ReportStatus]
    REPORT_STATUS_REJECTED: _ClassVar[ReportStatus]
REPORT_STATUS_UNSPECIFIED: ReportStatus
REPORT_STATUS_ACCEPTED: ReportStatus
REPORT_STATUS_SUPERSEDED: ReportStatus
REPORT_STATUS_REJECTED: ReportStatus

class Task(_message.Message):
    __slots__ = ("task_token", "namespace", "execution_id", "node_id", "handler", "attempt", "idempotency_key", "input", "deadline", "heartbeat_timeout", "traceparent", "workflow_name")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_NAME_FIELD_NUMBER: _ClassVar[int]
    task_token: bytes
    namespace: str
    execution_id: str
    node_id: str
    handler: str
    attempt: int
    idempotency_key: str
    input: _payload_pb2.Payload
    deadline: _timestamp_pb2.Timestamp
    heartbeat_timeout: _duration_pb2.Duration
    traceparent: str
    workflow_name: str
    def __init__(self, task_token: _Optional[bytes] = ..., namespace: _Optional[str] = ..., execution_id: _Optional[str] = ..., node_id: _Optional[str] = ..., handler: _Optional[str] = ..., attempt: _Optional[int] = ..., idempotency_key: _Optional[str] = ..., input: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ..., deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., heartbeat_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., traceparent: _Optional[str] = ..., workflow_name: _Optional[str] = ...) -> None: ...

class TaskReport(_message.Message):
    __slots__ = ("task_token", "completion", "failure", "cancellation", "start_time")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    YIELD_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    task_token: bytes
    completion: TaskCompletion
    failure: TaskFailure
    cancellation: TaskCancellation
    start_time: _timestamp_pb2.Timestamp
    def __init__(self, task_token: _Optional[bytes] = ..., completion: _Optional[_Union[TaskCompletion, _Mapping]] = ..., failure: _Optional[_Union[TaskFailure, _Mapping]] = ..., cancellation: _Optional[_Union[TaskCancellation, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., **kwargs) -> None: ...

class TaskCompletion(_message.Message):
    __slots__ = ("output",)
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    output: _payload_pb2.Payload
    def __init__(self, output: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ...) -> None: ...

class TaskFailure(_message.Message):
    __slots__ = ("failure", "non_retryable", "next_retry_delay")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    NON_RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    NEXT_RETRY_DELAY_FIELD_NUMBER: _ClassVar[int]
    failure: _failure_pb2.Failure
    non_retryable: bool
    next_retry_delay: _duration_pb2.Duration
    def __init__(self, failure: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ..., non_retryable: bool = ..., next_retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class TaskCancellation(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskYield(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportResult(_message.Message):
    __slots__ = ("task_token", "status", "reason", "message")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    task_token: bytes
    status: ReportStatus
    reason: str
    message: str
    def __init__(self, task_token: _Optional[bytes] = ..., status: _Optional[_Union[ReportStatus, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("task_token", "progress")
    TASK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    task_token: bytes
    progress: _payload_pb2.Payload
    def __init__(self, task_token: _Optional[bytes] = ..., progress: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ...) -> None: ...
