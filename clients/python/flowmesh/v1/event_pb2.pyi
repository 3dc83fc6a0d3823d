import datetime

from flowmesh.v1 import execution_pb2 as _execution_pb2
from flowmesh.v1 import failure_pb2 as _failure_pb2
from flowmesh.v1 import payload_pb2 as _payload_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    EVENT_TYPE_EXECUTION_STARTED: _ClassVar[EventType]
    EVENT_TYPE_EXECUTION_CANCEL_REQUESTED: _ClassVar[EventType]
    EVENT_TYPE_EXECUTION_COMPLETED: _ClassVar[EventType]
    EVENT_TYPE_EXECUTION_FAILED: _ClassVar[EventType]
    EVENT_TYPE_EXECUTION_CANCELLED: _ClassVar[EventType]
    EVENT_TYPE_NODE_SCHEDULED: _ClassVar[EventType]
    EVENT_TYPE_NODE_STARTED: _ClassVar[EventType]
    EVENT_TYPE_NODE_COMPLETED: _ClassVar[EventType]
    EVENT_TYPE_NODE_ATTEMPT_FAILED: _ClassVar[EventType]
    EVENT_TYPE_NODE_ATTEMPT_LOST: _ClassVar[EventType]
    EVENT_TYPE_NODE_FAILED: _ClassVar[EventType]
    EVENT_TYPE_NODE_SKIPPED: _ClassVar[EventType]
    EVENT_TYPE_NODE_UPSTREAM_FAILED: _ClassVar[EventType]
    EVENT_TYPE_NODE_CANCELLED: _ClassVar[EventType]
EVENT_TYPE_UNSPECIFIED: EventType
EVENT_TYPE_EXECUTION_STARTED: EventType
EVENT_TYPE_EXECUTION_CANCEL_REQUESTED: EventType
EVENT_TYPE_EXECUTION_COMPLETED: EventType
EVENT_TYPE_EXECUTION_FAILED: EventType
EVENT_TYPE_EXECUTION_CANCELLED: EventType
EVENT_TYPE_NODE_SCHEDULED: EventType
EVENT_TYPE_NODE_STARTED: EventType
EVENT_TYPE_NODE_COMPLETED: EventType
EVENT_TYPE_NODE_ATTEMPT_FAILED: EventType
EVENT_TYPE_NODE_ATTEMPT_LOST: EventType
EVENT_TYPE_NODE_FAILED: EventType
EVENT_TYPE_NODE_SKIPPED: EventType
EVENT_TYPE_NODE_UPSTREAM_FAILED: EventType
EVENT_TYPE_NODE_CANCELLED: EventType

class Event(_message.Message):
    __slots__ = ("sequence", "event_time", "type", "node_id", "attempt", "worker_id", "start_time", "output", "failure", "next_attempt_time", "skip_reason", "reason")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    SKIP_REASON_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    event_time: _timestamp_pb2.Timestamp
    type: EventType
    node_id: str
    attempt: int
    worker_id: str
    start_time: _timestamp_pb2.Timestamp
    output: _payload_pb2.Payload
    failure: _failure_pb2.Failure
    next_attempt_time: _timestamp_pb2.Timestamp
    skip_reason: _execution_pb2.SkipReason
    reason: str
    def __init__(self, sequence: _Optional[int] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., type: _Optional[_Union[EventType, str]] = ..., node_id: _Optional[str] = ..., attempt: _Optional[int] = ..., worker_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., output: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ..., failure: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ..., next_attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., skip_reason: _Optional[_Union[_execution_pb2.SkipReason, str]] = ..., reason: _Optional[str] = ...) -> None: ...
