from flowmesh.v1 import payload_pb2 as _payload_pb2
from flowmesh.v1 import problem_pb2 as _problem_pb2
from flowmesh.v1 import workflow_pb2 as _workflow_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ValidateWorkflowRequest(_message.Message):
    __slots__ = ("namespace", "workflow")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    workflow: _workflow_pb2.Workflow
    def __init__(self, namespace: _Optional[str] = ..., workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ...) -> None: ...

class ValidateWorkflowResponse(_message.Message):
    __slots__ = ("valid", "violations", "digest")
    VALID_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    valid: bool
    violations: _containers.RepeatedCompositeFieldContainer[_problem_pb2.FieldViolation]
    digest: str
    def __init__(self, valid: bool = ..., violations: _Optional[_Iterable[_Union[_problem_pb2.FieldViolation, _Mapping]]] = ..., digest: _Optional[str] = ...) -> None: ...

class RegisterWorkflowRequest(_message.Message):
    __slots__ = ("namespace", "request_id", "workflow")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    request_id: str
    workflow: _workflow_pb2.Workflow
    def __init__(self, namespace: _Optional[str] = ..., request_id: _Optional[str] = ..., workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ...) -> None: ...

class RegisterWorkflowResponse(_message.Message):
    __slots__ = ("workflow_version", "existed")
    WORKFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    workflow_version: _workflow_pb2.WorkflowVersion
    existed: bool
    def __init__(self, workflow_version: _Optional[_Union[_workflow_pb2.WorkflowVersion, _Mapping]] = ..., existed: bool = ...) -> None: ...

class WorkflowReference(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class SubmitWorkflowRequest(_message.Message):
    __slots__ = ("namespace", "request_id", "execution_id", "workflow", "workflow_reference", "input", "input_payload", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    request_id: str
    execution_id: str
    workflow: _workflow_pb2.Workflow
    workflow_reference: WorkflowReference
    input: _struct_pb2.Value
    input_payload: _payload_pb2.Payload
    labels: _containers.ScalarMap[str, str]
    def __init__(self, namespace: _Optional[str] = ..., request_id: _Optional[str] = ..., execution_id: _Optional[str] = ..., workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ..., workflow_reference: _Optional[_Union[WorkflowReference, _Mapping]] = ..., input: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., input_payload: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SubmitWorkflowResponse(_message.Message):
    __slots__ = ("execution_id", "replayed")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    replayed: bool
    def __init__(self, execution_id: _Optional[str] = ..., replayed: bool = ...) -> None: ...

class SubmitWorkflowsRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[SubmitWorkflowRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[SubmitWorkflowRequest, _Mapping]]] = ...) -> None: ...

class SubmitWorkflowsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[SubmitWorkflowResult]
    def __init__(self, results: _Optional[_Iterable[_Union[SubmitWorkflowResult, _Mapping]]] = ...) -> None: ...

class SubmitWorkflowResult(_message.Message):
    __slots__ = ("response", "problem")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    response: SubmitWorkflowResponse
    problem: _problem_pb2.Problem
    def __init__(self, response: _Optional[_Union[SubmitWorkflowResponse, _Mapping]] = ..., problem: _Optional[_Union[_problem_pb2.Problem, _Mapping]] = ...) -> None: ...

class GetWorkflowRequest(_message.Message):
    __slots__ = ("namespace", "name", "version")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    version: int
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetWorkflowResponse(_message.Message):
    __slots__ = ("workflow_version",)
    WORKFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    workflow_version: _workflow_pb2.WorkflowVersion
    def __init__(self, workflow_version: _Optional[_Union[_workflow_pb2.WorkflowVersion, _Mapping]] = ...) -> None: ...

class ListWorkflowsRequest(_message.Message):
    __slots__ = ("namespace", "name", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWorkflowsResponse(_message.Message):
    __slots__ = ("workflow_versions", "next_page_token")
    WORKFLOW_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    workflow_versions: _containers.RepeatedCompositeFieldContainer[_workflow_pb2.WorkflowVersion]
    next_page_token: str
    def __init__(self, workflow_versions: _Optional[_Iterable[_Union[_workflow_pb2.WorkflowVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
