"""Requests to start executions, and what they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from flowmesh_core.application.bounded_cache import BoundedCache
from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.application.workflow_checker import CheckedWorkflow, ReceivedWorkflow, WorkflowChecker
from flowmesh_core.domain.errors import FieldViolation, WorkflowNotFound
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.execution_store import NewExecution
from flowmesh_core.ports.id_source import IdSource
from flowmesh_core.ports.workflow_store import RegisteredVersion, WorkflowStore

_VERSIONS_KNOWN = 10_000

ResolvedVersions = dict[tuple[str, str, int], RegisteredVersion]
"""What (namespace, name, version) stood for when one call looked it up."""


@dataclass(frozen=True, slots=True)
class WorkflowReference:
    """A registered workflow; version 0 is the newest."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Submission:
    """One execution that a caller asks for.

    Attributes:
        namespace: Where to run.
        source: What to run; None when the caller did not say.
        input: The input of the execution.
        execution_id: The id that the caller chose; empty for none.
        request_id: The caller's idempotency key; empty for none.
        labels: Words to find the execution by.
        traceparent: W3C trace context of the call; may be empty.
        violations: What could not be read as the caller wrote it, outside of the workflow.
    """

    namespace: str
    source: ReceivedWorkflow | WorkflowReference | None
    input: Payload = NULL
    execution_id: str = ""
    request_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    traceparent: str = ""
    violations: tuple[FieldViolation, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    version: int
    digest: str
    asked: str
    """What was asked for, as the request digest sees it."""
    checked: CheckedWorkflow | None


class SubmissionPreparer:
    """Turns submissions into executions that can be stored, or refuses them."""

    def __init__(
        self,
        checker: WorkflowChecker,
        workflows: WorkflowStore,
        ids: IdSource,
        clock: Clock,
        partitions: int,
    ) -> None:
        """Prepare for a cluster of so many partitions."""
        self._checker = checker
        self._workflows = workflows
        self._ids = ids
        self._clock = clock
        self._partitions = partitions
        self._versions: BoundedCache[tuple[str, str, int], RegisteredVersion] = BoundedCache(_VERSIONS_KNOWN)

    async def prepare(self, submission: Submission, resolved: ResolvedVersions) -> NewExecution:
        """Return the execution to store; versions looked up are read from and added to `resolved`.

        Raises:
            InvalidWorkflow: The workflow breaks rules.
            InvalidRequest: Another field does.
            WorkflowNotFound: It refers to a workflow that is not registered.
            StoreUnavailable: A reference could not be looked up.
        """
        check = _check(submission)
        match submission.source:
            case ReceivedWorkflow() as received:
                source = await self._inline(received, check)
            case WorkflowReference() as reference:
                check.refuse_if_wrong()
                source = await self._resolve(submission.namespace, reference, resolved)
            case None:
                check.required("workflow")
                raise check.refusal()
        return self._execution(submission, source)

    async def _inline(self, received: ReceivedWorkflow, check: RequestCheck) -> _Source:
        checked = await self._checker.check(received)
        checked.refuse_if_wrong(tuple(check.violations))
        check.refuse_if_wrong()
        return _Source(checked.workflow.name, 0, checked.digest, checked.digest, checked)

    async def _resolve(
        self, namespace: str, reference: WorkflowReference, resolved: ResolvedVersions
    ) -> _Source:
        wanted = (namespace, reference.name, reference.version)
        version = resolved.get(wanted) or self._versions.get(wanted)
        if version is None:
            version = await self._workflows.get_version(*wanted)
            if version is None:
                raise workflow_not_found(*wanted)
            resolved[wanted] = version
            if reference.version:  # it never changes, as the newest does
                self._versions.put(wanted, version)
        asked = f"{reference.name}@{reference.version}"
        return _Source(version.name, version.version, version.digest, asked, None)

    def _execution(self, submission: Submission, source: _Source) -> NewExecution:
        key = ExecutionKey(submission.namespace, submission.execution_id or self._ids.new_id())
        return NewExecution(
            key=key,
            partition=partition_of(key, self._partitions),
            workflow=None if source.checked is None else source.checked.workflow,
            workflow_name=source.name,
            workflow_version=source.version,
            workflow_digest=source.digest,
            input=submission.input,
            labels=submission.labels,
            request_id=submission.request_id,
            request_digest=_request_digest(submission, source.asked),
            traceparent=submission.traceparent,
            created_at=self._clock.now(),
        )


def workflow_not_found(namespace: str, name: str, version: int) -> WorkflowNotFound:
    """Return the error; version 0 stands for the newest."""
    wanted = f"version {version} of workflow {name}" if version else f"workflow {name}"
    return WorkflowNotFound(
        f"{wanted} is not registered in namespace {namespace}",
        metadata={"namespace": namespace, "name": name, "version": str(version)},
    )


def _check(submission: Submission) -> RequestCheck:
    check = RequestCheck(submission.violations)
    check.name("namespace", submission.namespace)
    if submission.execution_id:
        check.name("execution_id", submission.execution_id)
    check.text("request_id", submission.request_id)
    check.labels("labels", submission.labels)
    if isinstance(submission.source, WorkflowReference):
        check.name("workflow_reference.name", submission.source.name)
        check.not_negative("workflow_reference.version", submission.source.version)
    return check


def _request_digest(submission: Submission, asked: str) -> str:
    """Digest everything that was asked for but the request id, each part with its length before it."""
    parts = [asked, submission.execution_id, submission.input.content_type]
    for pair in (*submission.input.metadata, ("", ""), *sorted(submission.labels.items())):
        parts.extend(pair)
    hasher = sha256()
    for part in (*(part.encode() for part in parts), submission.input.data):
        hasher.update(len(part).to_bytes(8, "big") + part)
    return hasher.hexdigest()
