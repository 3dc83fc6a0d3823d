"""The client for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from flowmesh._channel import TLS
from flowmesh._client import bulk, calls, results
from flowmesh._client.calls import ExecutionFilter, Runnable, Submission
from flowmesh._client.transport import SyncTransport
from flowmesh._client.watch import WatchCursor
from flowmesh._defaults import address_or_default, namespace_or_default
from flowmesh._errors import ServiceError
from flowmesh._models import End

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from flowmesh._models import Event, Execution, Validation, WatchItem, WorkerInfo, WorkflowVersion
    from flowmesh._states import ExecutionState
    from flowmesh._workflow.builder import Workflow


class ExecutionHandle:
    """One execution, to watch, await and cancel.

    Attributes:
        id: The id of the execution.
    """

    def __init__(self, transport: SyncTransport, namespace: str, execution_id: str) -> None:
        self._transport, self._namespace = transport, namespace
        self.id = execution_id

    def __repr__(self) -> str:
        return f"ExecutionHandle({self.id!r})"

    def watch(self, *, payloads: bool = False, timeout: float | None = None) -> Iterator[WatchItem]:
        """Follow the execution: a snapshot, each later event once and in order, and the end.

        Lost connections are resumed without a gap or a repeat.

        Args:
            payloads: Also send what the nodes return.
            timeout: Seconds after which to give up; None follows to the end.

        Raises:
            ExecutionNotFoundError: There is no such execution.
            ResultTimeoutError: The timeout passed.
            ServiceError: The service could not be reached for ten minutes, or refused.
        """
        cursor = WatchCursor(
            self._namespace,
            self.id,
            payloads=payloads,
            timeout=timeout,
            connect_timeout=self._transport.timeout,
        )
        return self._transport.watch(cursor)

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait for the end and return the outputs of the sink nodes, by node id.

        Sinks are the nodes that no other depends on; those that were skipped are
        left out. An output is its JSON value, or a `Payload` of another type.

        Args:
            timeout: Seconds to wait; None waits to the end.

        Raises:
            ExecutionFailed: It failed.
            ExecutionCancelled: It was cancelled.
            ResultTimeoutError: The timeout passed.
            ServiceError: As for `watch`.
        """
        cursor = results.cursor(self._namespace, self.id, timeout, self._transport.timeout)
        outputs: dict[str, Any] = {}
        for item in self._transport.watch(cursor):
            if isinstance(item, End):
                outputs = results.outputs(item.execution)
        return outputs

    def cancel(self, reason: str = "", *, grace: timedelta | None = None) -> ExecutionState:
        """Cancel the execution and return its state after that: CANCELLING or a terminal one.

        Args:
            reason: Why, for those who read the history.
            grace: How long running tasks may take to stop; 30 s by default.
        """
        return self._transport.call(calls.cancel(self._namespace, self.id, reason=reason, grace=grace))

    def describe(self, *, payloads: bool = False) -> Execution:
        """Return where the execution and its nodes stand."""
        return self._transport.call(
            calls.get_execution(self._namespace, self.id, nodes=True, payloads=payloads)
        )


class Client:
    """A connection to the services, for threads; safe to share between them.

        with Client() as client:
            outputs = client.submit(workflow, input={"url": "…"}).result()

    Every method may raise a `ServiceError`. Calls that meet a service that is
    away or overloaded are repeated until `timeout`.

    Args:
        address: Host and port; FLOWMESH_ADDRESS or this machine by default.
        namespace: The namespace of all calls; FLOWMESH_NAMESPACE or `default` by default.
        tls: How to talk TLS; None talks plain text.
        timeout: Seconds that one call may take, repeats included.
    """

    def __init__(
        self,
        address: str = "",
        *,
        namespace: str = "",
        tls: TLS | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._namespace = namespace_or_default(namespace)
        self._transport = SyncTransport(address_or_default(address), tls, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls under way fail."""
        self._transport.close()

    def validate(self, workflow: Workflow) -> Validation:
        """Check a workflow and store nothing."""
        return self._transport.call(calls.validate(self._namespace, workflow))

    def register(self, workflow: Workflow, *, request_id: str = "") -> WorkflowVersion:
        """Store a workflow under its name; the same content gives the same version."""
        return self._transport.call(calls.register(self._namespace, workflow, request_id))

    def submit(
        self,
        workflow: Runnable,
        input: Any = None,  # noqa: A002, ANN401 - the word of the contract, any JSON value
        *,
        execution_id: str = "",
        request_id: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> ExecutionHandle:
        """Start an execution; when this returns, it is stored.

        Args:
            workflow: A workflow, or a registered one by name, (name, version) or version.
            input: Its input: a JSON value, or a `Payload` of exact bytes.
            execution_id: The id to give it; chosen by the server when empty.
            request_id: Makes a repeat of this call return the same execution; chosen when empty.
            labels: Words to find it by.

        Raises:
            InvalidWorkflowError: The workflow is wrong; every problem is in `violations`.
            AlreadyExistsError: The execution id is taken by other content.
        """
        item = Submission(workflow, input, execution_id, request_id, labels or {})
        return self.handle(self._transport.call(calls.submit(self._namespace, item)))

    def submit_many(self, submissions: Iterable[Submission]) -> Sequence[ExecutionHandle | ServiceError]:
        """Start many executions, up to 1,000 in a call.

        What is refused because of a rate or a load is sent again until `timeout`, as by `submit`.

        Returns for each submission, in order, its handle or the error that it met.

        Raises:
            ServiceError: A call as a whole was refused or not answered in time. What went
                before may have been accepted: with request ids of your own, repeat it safely.
        """
        return [
            outcome if isinstance(outcome, ServiceError) else self.handle(outcome)
            for chunk in bulk.chunks(self._namespace, submissions)
            for outcome in self._transport.batch(bulk.Batch(chunk, self._transport.timeout))
        ]

    def handle(self, execution_id: str) -> ExecutionHandle:
        """Take up an execution that was submitted before."""
        return ExecutionHandle(self._transport, self._namespace, execution_id)

    def get(self, execution_id: str, *, nodes: bool = False, payloads: bool = False) -> Execution:
        """Return where an execution stands, with its nodes and their outputs when asked for."""
        return self._transport.call(
            calls.get_execution(self._namespace, execution_id, nodes=nodes, payloads=payloads)
        )

    def list(
        self,
        *,
        workflow_name: str = "",
        states: Iterable[ExecutionState | str] = (),
        labels: Mapping[str, str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        page_size: int = 0,
    ) -> Iterator[Execution]:
        """Iterate over executions, the newest first; filters narrow them down together."""
        wanted = ExecutionFilter(
            workflow_name=workflow_name,
            states=states,
            labels=labels or {},
            created_after=created_after,
            created_before=created_before,
        )
        return self._transport.pages(calls.list_executions(self._namespace, wanted, page_size))

    def events(self, execution_id: str, *, payloads: bool = False, page_size: int = 0) -> Iterator[Event]:
        """Iterate over the history of an execution, the oldest first."""
        return self._transport.pages(
            calls.list_events(self._namespace, execution_id, payloads=payloads, page_size=page_size)
        )

    def cancel(
        self, execution_id: str, reason: str = "", *, grace: timedelta | None = None
    ) -> ExecutionState:
        """Cancel an execution; see `ExecutionHandle.cancel`."""
        return self.handle(execution_id).cancel(reason, grace=grace)

    def get_workflow(self, name: str, version: int = 0) -> WorkflowVersion:
        """Return a registered workflow; version 0 is the newest."""
        return self._transport.call(calls.get_workflow(self._namespace, name, version))

    def list_workflows(self, name: str = "", *, page_size: int = 0) -> Iterator[WorkflowVersion]:
        """Iterate over registered versions by name and version."""
        return self._transport.pages(calls.list_workflows(self._namespace, name, page_size))

    def list_workers(self, *, page_size: int = 0) -> Iterator[WorkerInfo]:
        """Iterate over the connected workers by id."""
        return self._transport.pages(calls.list_workers(self._namespace, page_size))
