"""A worker of the load: `python -m tests.chaos.worker_process ADDRESS FACTS NAME`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from flowmesh import Worker, current_task, task
from tests.chaos.facts import FactLog

_SLOW_SECONDS = 0.3


def main(address: str, facts: Path, name: str) -> None:
    """Run until SIGTERM."""
    log = FactLog(facts)

    def ran() -> None:
        context = current_task()
        log.write("ran", context.execution_id, node_id=context.node_id, attempt=context.attempt)

    @task
    async def step(config: dict[str, Any], /) -> dict[str, Any]:
        ran()
        return {"n": config["n"] + 1}

    @task
    async def slow(config: dict[str, Any], /) -> dict[str, Any]:
        ran()
        await asyncio.sleep(_SLOW_SECONDS)
        return {"n": config["n"] + 1}

    @task
    async def flaky(config: dict[str, Any], /) -> dict[str, Any]:
        ran()
        if current_task().attempt == 1:
            raise RuntimeError("the first attempt always fails")
        return {"n": config["n"] + 1}

    @task
    async def broken(config: dict[str, Any], /) -> None:
        ran()
        raise RuntimeError(f"{config['n']} is never right")

    @task
    async def poison(config: dict[str, Any], /) -> None:
        del config
        ran()
        os.kill(os.getpid(), signal.SIGKILL)

    Worker(
        address,
        tasks=[step, slow, flaky, broken, poison],
        slots=50,
        worker_id=name,
        grace=timedelta(seconds=2),
    ).run_forever()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
