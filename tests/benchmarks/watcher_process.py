"""Watchers of executions, a stream each, until a signal comes.

`python -m tests.benchmarks.watcher_process ORCHESTRATION`

Reads the ids as one line of JSON, and writes a line when every watcher has its snapshot.
"""

from __future__ import annotations

import asyncio
import json
import sys

from flowmesh import AsyncClient, Snapshot


async def watch(client: AsyncClient, execution_id: str, ready: asyncio.Queue[str]) -> None:
    """Watch one execution to its end."""
    async for item in client.handle(execution_id).watch():
        if isinstance(item, Snapshot):
            ready.put_nowait(execution_id)


async def main() -> None:
    """Watch everything that stdin names."""
    ids: list[str] = json.loads(sys.stdin.readline())
    ready: asyncio.Queue[str] = asyncio.Queue()
    async with AsyncClient(sys.argv[1]) as client, asyncio.TaskGroup() as group:
        for each in ids:
            group.create_task(watch(client, each, ready))
        for _ in ids:
            await ready.get()
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
