"""One task, one workflow, one result."""

from __future__ import annotations

import asyncio

from flowmesh import AsyncClient, Worker, Workflow, task


@task
async def greet(name: str) -> str:
    return f"Hello, {name}!"


async def main() -> None:
    workflow = Workflow("hello")
    workflow.node(greet, name=Workflow.input["name"])
    async with AsyncClient() as client, Worker(tasks=[greet]):
        handle = await client.submit(workflow, {"name": "world"})
        print(await handle.result(timeout=30))


if __name__ == "__main__":
    asyncio.run(main())
