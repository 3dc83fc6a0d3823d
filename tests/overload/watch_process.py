"""Watchers of executions: `python -m tests.overload.watch_process [--silent] ADDRESS STREAMS IDS…`.

Prints `ready` once every stream has its snapshot, and at the end, as JSON, how many seconds after
its decision each event arrived. With `--silent` it reads one message of each stream and stops until
a line comes on standard input; then it says how many streams had ended, and resumes them to their ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc

from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh.v1.orchestration_service_pb2_grpc import OrchestrationServiceStub

if TYPE_CHECKING:
    from flowmesh.v1.orchestration_service_pb2_grpc import OrchestrationServiceAsyncStub


class Watch:
    """One stream after the other, of one execution."""

    def __init__(self, stub: OrchestrationServiceAsyncStub, execution_id: str) -> None:
        self._stub = stub
        self._request = pb.WatchExecutionRequest(execution_id=execution_id, include_payloads=True)
        self._last = 0
        self.delays: list[float] = []
        self.streams = 0
        self.gaps = 0
        self._messages: AsyncIterator[pb.WatchExecutionResponse] = self._open()

    async def begin(self) -> None:
        """Read the snapshot."""
        message = await anext(self._messages)
        self._request.resume_token = message.resume_token
        self._last = message.snapshot.execution.last_sequence

    async def follow(self) -> None:
        """Read to the end of the execution, over as many streams as it takes."""
        while not await self._read():
            self._messages = self._open()

    def _open(self) -> AsyncIterator[pb.WatchExecutionResponse]:
        self.streams += 1
        return aiter(self._stub.WatchExecution(self._request))

    async def _read(self) -> bool:
        async for message in self._messages:
            self._request.resume_token = message.resume_token
            if message.HasField("event"):
                self.delays.append(time.time() - message.event.event_time.ToNanoseconds() / 1e9)
                self.gaps += message.event.sequence != self._last + 1
                self._last = message.event.sequence
            if message.HasField("end"):
                return True
        return False


async def main(address: str, streams: int, ids: list[str], *, silent: bool) -> None:
    """Watch each of the executions `streams` times."""
    # Each silent watcher has a connection of its own: it must not slow down others of its process.
    channels = [_channel(address) for _ in range(streams * len(ids) if silent else 1)]
    wanted = ids * streams
    watches = [
        Watch(OrchestrationServiceStub(channels[number % len(channels)]), each)
        for number, each in enumerate(wanted)
    ]
    await asyncio.gather(*(watch.begin() for watch in watches))
    print("ready", flush=True)  # noqa: T201
    if silent:
        await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(watch.follow() for watch in watches))
    outcome = {
        "delays": [delay for watch in watches for delay in watch.delays],
        "streams": [watch.streams for watch in watches],
        "gaps": sum(watch.gaps for watch in watches),
    }
    print(json.dumps(outcome), flush=True)  # noqa: T201
    for channel in channels:
        await channel.close()


def _channel(address: str) -> grpc.aio.Channel:
    # Without a pool of its own, channels to one address share a connection; and without the probe
    # nobody buffers more for a stream than the 64 KiB that HTTP/2 begins with.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
    return grpc.aio.insecure_channel(address, options)


if __name__ == "__main__":
    silent = sys.argv[1] == "--silent"
    arguments = sys.argv[2:] if silent else sys.argv[1:]
    asyncio.run(main(arguments[0], int(arguments[1]), arguments[2:], silent=silent))
