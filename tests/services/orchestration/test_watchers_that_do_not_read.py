from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh_core.application.watch_hub import WatchSettings
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.workflow import Node
from tests.services.memory_cluster import MemoryCluster, replica

if TYPE_CHECKING:
    from tests.services.orchestration.hand_owner import HandOwner

NODES = [Node(f"n{number}", "h") for number in range(40)]
LARGE = Payload(b"%s" % (b"1" * 500_000))
REQUEST = pb.WatchExecutionRequest(execution_id="e1", include_payloads=True)


async def test_its_stream_ends_and_is_resumed_without_a_gap(cluster: MemoryCluster, owner: HandOwner) -> None:
    key = await owner.begin(*NODES)
    async with replica(cluster, watch=WatchSettings(patience=0.5)) as one:
        silent = aiter(one.orchestration.WatchExecution(REQUEST))
        first = await anext(silent)
        for node in NODES:
            await owner.complete(key, node.id, output=LARGE)
        async with asyncio.timeout(20):
            await nobody_watches(cluster)

        sequences, token = [first.snapshot.execution.last_sequence], first.resume_token
        ended = False
        while not ended:
            async for message in silent:
                token, ended = message.resume_token, message.HasField("end")
                if message.HasField("event"):
                    sequences.append(message.event.sequence)
            silent = aiter(one.orchestration.WatchExecution(resumed(token)))
    assert sequences == list(range(sequences[0], sequences[-1] + 1))
    assert len(sequences) > len(NODES)


async def test_who_reads_slowly_but_reads_is_not_ended(cluster: MemoryCluster, owner: HandOwner) -> None:
    key = await owner.begin(*NODES[:2])
    async with replica(cluster, watch=WatchSettings(patience=0.2, bookmark=0.1)) as one:
        call = aiter(one.orchestration.WatchExecution(REQUEST))
        await anext(call)
        await asyncio.sleep(0.5)
        for node in NODES[:2]:
            await owner.complete(key, node.id, output=LARGE)
        assert [message async for message in call][-1].HasField("end")


def resumed(token: str) -> pb.WatchExecutionRequest:
    return pb.WatchExecutionRequest(execution_id="e1", include_payloads=True, resume_token=token)


async def nobody_watches(cluster: MemoryCluster) -> None:
    while True:
        if not cluster.telemetry.levels["flowmesh.watchers.open"]:
            return
        await asyncio.sleep(0.05)
