"""Group commit: whatever waits while one statement runs goes into the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flowmesh_core.application.bounded_cache import BoundedCache
from flowmesh_core.application.pace import rest_after
from flowmesh_core.application.start_sender import StartSender
from flowmesh_core.domain.errors import Overloaded, StoreUnavailable, WorkflowNotFound
from flowmesh_core.ports.execution_store import CreateResult, CreateStatus, ExecutionStore, NewExecution
from flowmesh_core.ports.telemetry import Telemetry

_DEFINITIONS_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much is gathered and how long it may take.

    Attributes:
        batch: Executions in one statement, unless a single call brings more.
        batch_bytes: Bytes of their inputs and new configs, likewise.
        queue: Executions that may wait.
        patience: Seconds that a call waits for its commit.
        rest: The longest rest between statements, in seconds.
    """

    batch: int = 500
    batch_bytes: int = 16 * 1024 * 1024
    queue: int = 20_000
    patience: float = 10.0
    rest: float = 0.01


@dataclass(slots=True)
class _Waiting:
    executions: Sequence[NewExecution]
    slim: Sequence[NewExecution]
    """Without definitions that this process has stored before."""
    size: int
    answer: asyncio.Future[Sequence[CreateResult]]


class ExecutionIntake:
    """Stores new executions for all callers of this process, in one statement at a time."""

    def __init__(
        self,
        executions: ExecutionStore,
        starts: StartSender,
        telemetry: Telemetry,
        limits: IntakeLimits = IntakeLimits(),
    ) -> None:
        """Create in `executions`, and let `starts` tell the owners."""
        self._executions = executions
        self._starts = starts
        self._telemetry = telemetry
        self._limits = limits
        self._waiting: deque[_Waiting] = deque()
        self._queued = 0
        self._arrived = asyncio.Event()
        self._stored: BoundedCache[tuple[str, str], bool] = BoundedCache(_DEFINITIONS_KNOWN)

    async def create(self, executions: Sequence[NewExecution]) -> Sequence[CreateResult]:
        """Return what `ExecutionStore.create` answers, after its commit.

        Raises:
            Overloaded: Too much waits.
            StoreUnavailable: No answer came in time; the executions may have been accepted.
        """
        if self._queued + len(executions) > self._limits.queue:
            raise Overloaded("too many submissions wait to be stored", retry_after=1.0)
        answer: asyncio.Future[Sequence[CreateResult]] = asyncio.get_running_loop().create_future()
        slim = [self._slim(execution) for execution in executions]
        self._waiting.append(_Waiting(executions, slim, sum(map(_size, slim)), answer))
        self._queued += len(executions)
        self._arrived.set()
        try:
            async with asyncio.timeout(self._limits.patience):
                return await answer
        except TimeoutError:
            message = "the store did not answer in time; repeat with the same request id"
            raise StoreUnavailable(message, retry_after=1.0) from None

    async def run(self) -> None:
        """Store what arrives, until cancelled."""
        now = asyncio.get_running_loop().time
        try:
            while True:
                await self._arrived.wait()
                batch = self._next_batch()
                if batch:
                    began = now()
                    await self._store(batch)
                    await asyncio.sleep(rest_after(len(batch), now() - began, self._limits.rest))
                elif not self._waiting:
                    self._arrived.clear()
        finally:
            self._refuse(list(self._waiting), StoreUnavailable("the server shuts down", retry_after=0.0))

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        count = size = 0
        while self._waiting:
            waiting = self._waiting[0]
            count += len(waiting.executions)
            size += waiting.size
            if batch and (count > self._limits.batch or size > self._limits.batch_bytes):
                break
            self._waiting.popleft()
            self._queued -= len(waiting.executions)
            if not waiting.answer.done():  # its caller has not gone away
                batch.append(waiting)
        return batch

    async def _store(self, batch: list[_Waiting]) -> None:
        executions = [execution for waiting in batch for execution in waiting.executions]
        try:
            results = await self._create(executions, [each for waiting in batch for each in waiting.slim])
        except StoreUnavailable as error:
            self._refuse(batch, error)
        except Exception as error:  # noqa: BLE001 - it is the callers' to see, and no reason to stop
            await self._store_one_by_one(batch, error)
        except BaseException:
            self._refuse(batch, StoreUnavailable("the server shuts down", retry_after=0.0))
            raise
        else:
            self._telemetry.measure("flowmesh.executions.per_insert", len(executions))
            created = sum(result.status is CreateStatus.CREATED for result in results)
            self._telemetry.count("flowmesh.executions.accepted", created)
            self._answer(batch, results)
            self._start(executions, results)

    async def _store_one_by_one(self, batch: list[_Waiting], error: Exception) -> None:
        """Let a batch that cannot be stored fail for the call that is to blame alone."""
        if len(batch) == 1:
            self._refuse(batch, error)
            return
        for waiting in batch:
            await self._store([waiting])

    async def _create(
        self, executions: Sequence[NewExecution], slim: Sequence[NewExecution]
    ) -> Sequence[CreateResult]:
        try:
            results = await self._executions.create(slim)
        except WorkflowNotFound:  # the database is older than what this process remembers
            self._stored = BoundedCache(_DEFINITIONS_KNOWN)
            results = await self._executions.create(executions)
        for execution in executions:
            self._stored.put((execution.key.namespace, execution.workflow_digest), value=True)
        return results

    def _slim(self, execution: NewExecution) -> NewExecution:
        definition = (execution.key.namespace, execution.workflow_digest)
        known = execution.workflow is not None and self._stored.get(definition)
        return replace(execution, workflow=None) if known else execution

    def _start(self, executions: Sequence[NewExecution], results: Sequence[CreateResult]) -> None:
        self._starts.offer(
            execution
            for execution, result in zip(executions, results, strict=True)
            if result.status is CreateStatus.CREATED
        )

    def _answer(self, batch: list[_Waiting], results: Sequence[CreateResult]) -> None:
        position = 0
        for waiting in batch:
            end = position + len(waiting.executions)
            if not waiting.answer.done():
                waiting.answer.set_result(results[position:end])
            position = end

    def _refuse(self, batch: list[_Waiting], error: Exception) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)


def _size(execution: NewExecution) -> int:
    nodes = () if execution.workflow is None else execution.workflow.nodes
    return execution.input.size + sum(node.config.size for node in nodes if node.config is not None)
