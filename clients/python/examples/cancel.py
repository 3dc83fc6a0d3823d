"""A long task says that it makes progress, and stops when it is told to."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from flowmesh import (
    AsyncClient,
    Event,
    EventType,
    ExecutionCancelled,
    NodeState,
    Snapshot,
    WatchItem,
    Worker,
    Workflow,
    current_task,
    task,
)


@task
def count_sheep() -> int:
    current = current_task()
    for sheep in range(1_000_000):
        current.raise_if_cancelled()
        current.heartbeat({"sheep": sheep})
        time.sleep(0.01)
    return 1_000_000


def runs(item: WatchItem) -> bool:
    """Say whether the task runs: the snapshot shows what began before the watch, events what begins later."""
    if isinstance(item, Snapshot):
        return any(node.state is NodeState.RUNNING for node in item.execution.nodes)
    return isinstance(item, Event) and item.type is EventType.NODE_STARTED


async def main() -> None:
    workflow = Workflow("sleep")
    workflow.node(count_sheep, heartbeat_timeout=timedelta(seconds=5))
    async with AsyncClient() as client, Worker(tasks=[count_sheep]):
        handle = await client.submit(workflow)
        async for item in handle.watch(timeout=30):
            if runs(item):
                print("cancelling:", await handle.cancel("that is enough"))
        try:
            await handle.result()
        except ExecutionCancelled:
            print("cancelled")


if __name__ == "__main__":
    asyncio.run(main())
