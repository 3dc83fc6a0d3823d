"""Watchers of executions, a stream each.

`python -m tests.benchmarks.watcher_process ORCHESTRATION`

Reads the ids as one line of JSON; writes a line when every watcher has its snapshot, one when all saw ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

from flowmesh import AsyncClient, Snapshot, WatchItem
from tests.benchmarks.client_process import followed


async def watch(client: AsyncClient, execution_id: str, ready: asyncio.Queue[WatchItem]) -> None:
    """Watch one execution to its end."""
    await followed(_telling(client.handle(execution_id).watch(), ready))


async def _telling(
    items: AsyncIterator[WatchItem], ready: asyncio.Queue[WatchItem]
) -> AsyncIterator[WatchItem]:
    async for item in items:
        if isinstance(item, Snapshot):
            ready.put_nowait(item)
        yield item


async def main() -> None:
    """Watch everything that stdin names."""
    ids: list[str] = json.loads(sys.stdin.readline())
    ready: asyncio.Queue[WatchItem] = asyncio.Queue()
    async with AsyncClient(sys.argv[1]) as client, asyncio.TaskGroup() as group:
        for each in ids:
            group.create_task(watch(client, each, ready))
        for _ in ids:
            await ready.get()
        print("ready", flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
