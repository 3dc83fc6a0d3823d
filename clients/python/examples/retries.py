"""Failures that pass are tried again; those that do not are told apart."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from flowmesh import (
    AsyncClient,
    ExecutionFailed,
    RetryPolicy,
    TaskError,
    Worker,
    Workflow,
    current_task,
    task,
)


@task(retry=RetryPolicy(maximum_attempts=5, initial_interval=timedelta(milliseconds=10)))
def charge(card: str) -> str:
    current = current_task()
    if card == "stolen":
        raise TaskError("the card is stolen", error_type="CardRefused", retryable=False)
    if current.attempt < 3:
        raise ConnectionError("the bank does not answer")
    # The key is the same for every attempt, so that the bank books once.
    return f"charged at attempt {current.attempt}, key {bool(current.idempotency_key)}"


async def main() -> None:
    workflow = Workflow("payment")
    workflow.node(charge, card=Workflow.input["card"])
    async with AsyncClient() as client, Worker(tasks=[charge]):
        good = await client.submit(workflow, {"card": "good"})
        print(await good.result(timeout=30))
        stolen = await client.submit(workflow, {"card": "stolen"})
        try:
            await stolen.result(timeout=30)
        except ExecutionFailed as failed:
            print(f"{failed.node_id}: {failed.error_type}: {failed.message}")


if __name__ == "__main__":
    asyncio.run(main())
