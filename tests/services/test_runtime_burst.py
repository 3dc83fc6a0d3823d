from __future__ import annotations

import asyncio
from collections import Counter

import grpc

from flowmesh.v1 import orchestration_service_pb2 as pb
from tests.services.memory_cluster import MemoryCluster, Replica, replica

CALLS = 3_000


async def test_calls_that_arrive_all_at_once_are_all_answered() -> None:
    async with replica(MemoryCluster()) as one:
        answers = await asyncio.gather(*(answer(one, number) for number in range(CALLS)))
    assert Counter(answers) == {grpc.StatusCode.NOT_FOUND: CALLS}


async def answer(one: Replica, number: int) -> grpc.StatusCode:
    request = pb.GetExecutionRequest(execution_id=f"e{number}")
    try:
        await one.orchestration.GetExecution(request)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK
