"""The benchmark: every workload on one running system, and the raw ceiling beside it."""

from __future__ import annotations

import json
import statistics
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import ceiling, results
from tests.benchmarks.background import waiting_executions, watched
from tests.benchmarks.measuring import Run, measure
from tests.benchmarks.stack import Shape, Stack, running
from tests.benchmarks.workloads import ALL, Workload, workload

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

_CEILING_STEPS = 40_000


@pytest.fixture
def shape(request: pytest.FixtureRequest) -> Shape:
    kinds = ("orchestrations", "gateways", "submissions", "workers")
    given = {kind: request.config.getoption(f"--bench-{kind}") for kind in kinds}
    return Shape(**{kind: count for kind, count in given.items() if count is not None})


@pytest.fixture
async def stack(shape: Shape) -> AsyncIterator[Stack]:
    async with running(shape) as made:
        yield made


async def test_speed(stack: Stack, request: pytest.FixtureRequest) -> None:
    option = request.config.getoption
    names = option("--bench-only") or [name for name in ALL if name != "W5-large"]
    found: dict[str, Any] = {
        "machine": results.machine(),
        "shape": asdict(stack.shape),
        "ceiling": {},
        "workloads": {},
    }
    for in_flight in sorted({int(results.CEILING_OF[name]) for name in names if name in results.CEILING_OF}):
        rates = [
            await ceiling.measure(stack, in_flight, _CEILING_STEPS) for _ in range(option("--bench-runs"))
        ]
        found["ceiling"][str(in_flight)] = statistics.median(rates)
    for name in names:
        load = workload(name)
        runs, stores = await _runs(stack, load, option("--bench-runs"))
        found["workloads"][name] = {**results.summary(load.title, runs), "stores": stores}
        results.write(option("--bench-folder"), found)
    print("\n" + results.table(found))
    _compare(option("--bench-compare"), found)


async def _runs(stack: Stack, load: Workload, count: int) -> tuple[list[Run], dict[str, float]]:
    """Measure a load; what the stores did for it is over all its runs."""
    with stack.workers(load.handlers):
        ids = await waiting_executions(stack, load.timers)
        async with watched(stack, ids[: load.watchers]):
            await measure(stack, load, warm_up=True)
            before = await stack.gauges.settled()
            runs = [await measure(stack, load) for _ in range(count)]
            spent = (await stack.gauges.settled()).since(before)
    return runs, spent.each(count * load.steps_of(load.count))


def _compare(path: Path | None, found: results.Results) -> None:
    if path is not None:
        print(f"after this over {path}\n" + results.comparison(json.loads(path.read_text()), found))
