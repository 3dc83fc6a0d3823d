"""Split, work on every part at once, and merge; shown live."""

from __future__ import annotations

import asyncio

from flowmesh import AsyncClient, Event, EventType, NodeState, Snapshot, WatchItem, Worker, Workflow, task

TEXTS = ["to be or not", "to be that is", "the question"]


@task
def split(texts: list[str]) -> list[list[str]]:
    return [text.split() for text in texts]


@task
def count(words: list[str]) -> dict[str, int]:  # plain functions run in threads
    return {word: words.count(word) for word in words}


@task
def merge(counts: list[dict[str, int]]) -> dict[str, int]:
    words = {word for part in counts for word in part}
    return {word: sum(part.get(word, 0) for part in counts) for word in sorted(words)}


def word_count(parts: int) -> Workflow:
    workflow = Workflow("word-count")
    texts = workflow.node(split, texts=Workflow.input["texts"])
    counts = [workflow.node(count, words=texts.output[part]) for part in range(parts)]
    workflow.node(merge, counts=[node.output for node in counts])
    return workflow


def done(item: WatchItem) -> list[str]:
    """Name what is newly done: a watch begins with a snapshot, and goes on with events."""
    if isinstance(item, Snapshot):
        return [node.node_id for node in item.execution.nodes if node.state is NodeState.COMPLETED]
    if isinstance(item, Event) and item.type is EventType.NODE_COMPLETED:
        return [item.node_id]
    return []


async def main() -> None:
    async with AsyncClient() as client, Worker(tasks=[split, count, merge]):
        handle = await client.submit(word_count(len(TEXTS)), {"texts": TEXTS})
        async for item in handle.watch(timeout=30):
            for node_id in done(item):
                print("done:", node_id)
        print(await handle.result())


if __name__ == "__main__":
    asyncio.run(main())
