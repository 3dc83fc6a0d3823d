from flowmesh.v1 import payload_pb2 as _payload_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FailureSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_SOURCE_UNSPECIFIED: _ClassVar[FailureSource]
    FAILURE_SOURCE_HANDLER: _ClassVar[FailureSource]
    FAILURE_SOURCE_TIMEOUT: _ClassVar[FailureSource]
    FAILURE_SOURCE_WORKER_LOST: _ClassVar[FailureSource]
    FAILURE_SOURCE_EXPRESSION: _ClassVar[FailureSource]
FAILURE_SOURCE_UNSPECIFIED: FailureSource
FAILURE_SOURCE_HANDLER: FailureSource
FAILURE_SOURCE_TIMEOUT: FailureSource
FAILURE_SOURCE_WORKER_LOST: FailureSource
FAILURE_SOURCE_EXPRESSION: FailureSource

class Failure(_message.Message):
    __slots__ = ("error_type", "message", "details", "source", "node_id")
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    error_type: str
    message: str
    details: _payload_pb2.Payload
    source: FailureSource
    node_id: str
    def __init__(self, error_type: _Optional[str] = ..., message: _Optional[str] = ..., details: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ..., source: _Optional[_Union[FailureSource, str]] = ..., node_id: _Optional[str] = ...) -> None: ...
