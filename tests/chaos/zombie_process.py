"""A worker that reports everything ten times, late and out of order.

`python -m tests.chaos.zombie_process ADDRESS FACTS NAME`. It speaks the unary
calls, so that it hears the answer to every single report, and writes it down.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from flowmesh.v1 import failure_pb2, payload_pb2, task_pb2
from flowmesh.v1 import worker_control_service_pb2 as wire
from flowmesh.v1.worker_control_service_pb2_grpc import WorkerControlServiceStub
from tests.chaos.facts import NAMESPACE, FactLog

if TYPE_CHECKING:
    from flowmesh.v1.worker_control_service_pb2_grpc import WorkerControlServiceAsyncStub

_HANDLERS = ("step", "flaky")
_REPEATS = 10
_LATEST_SECONDS = 5.0
_CALL_SECONDS = 4.0
_MOST_REPORTS = 2_000
_SUPERSEDED = {"TASK_SUPERSEDED", "EXECUTION_CLOSED"}


@dataclass(frozen=True)
class Report:
    """One report on one attempt, to be sent again and again."""

    task: task_pb2.Task
    outcome: str


class Zombie:
    """Takes a few tasks at a time, and never lets a report rest."""

    def __init__(self, channel: grpc.aio.Channel, log: FactLog, name: str) -> None:
        self._stub: WorkerControlServiceAsyncStub = WorkerControlServiceStub(channel)
        self._log = log
        self._name = name
        self._rng = Random(name)
        self._reports: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Poll for ever."""
        while True:
            try:
                polled = await self._poll()
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.2)
                continue
            for task in polled.tasks:
                self._run(task)
            while len(self._reports) > _MOST_REPORTS:
                await asyncio.wait(self._reports, return_when=asyncio.FIRST_COMPLETED)

    async def _poll(self) -> wire.PollTasksResponse:
        wait = Duration()
        wait.FromMilliseconds(500)
        request = wire.PollTasksRequest(
            namespace=NAMESPACE, worker_id=self._name, handlers=_HANDLERS, maximum_tasks=5, wait=wait
        )
        return await self._stub.PollTasks(request, timeout=_CALL_SECONDS)

    def _run(self, task: task_pb2.Task) -> None:
        self._log.write("ran", task.execution_id, node_id=task.node_id, attempt=task.attempt)
        fails = task.handler == "flaky" and task.attempt == 1
        report = Report(task, "failed" if fails else "completed")
        delays = [0.0, *(self._rng.uniform(0, _LATEST_SECONDS) for _ in range(_REPEATS - 1))]
        for delay in delays:
            sending = asyncio.create_task(self._send(report, delay))
            self._reports.add(sending)
            sending.add_done_callback(self._reports.discard)

    async def _send(self, report: Report, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            await self._call(report)
        except grpc.aio.AioRpcError as error:
            if _reason(error) not in _SUPERSEDED:
                return
            answer = "SUPERSEDED"
        else:
            answer = "ACCEPTED"
        task = report.task
        self._log.write(
            "reported",
            task.execution_id,
            node_id=task.node_id,
            attempt=task.attempt,
            outcome=report.outcome,
            answer=answer,
        )

    async def _call(self, report: Report) -> None:
        token = report.task.task_token
        if report.outcome == "completed":
            output = payload_pb2.Payload(data=b'{"n":2}', content_type="application/json")
            request = wire.CompleteTaskRequest(task_token=token, output=output)
            await self._stub.CompleteTask(request, timeout=_CALL_SECONDS)
            return
        failure = failure_pb2.Failure(error_type="RuntimeError", message="the first attempt always fails")
        failed = wire.FailTaskRequest(task_token=token, failure=task_pb2.TaskFailure(failure=failure))
        await self._stub.FailTask(failed, timeout=_CALL_SECONDS)


def _reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type] # an AioRpcError has what it reads
    for detail in () if status is None else status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


async def main(address: str, facts: Path, name: str) -> None:
    """Run until it is killed."""
    async with grpc.aio.insecure_channel(address) as channel:
        await Zombie(channel, FactLog(facts), name).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
