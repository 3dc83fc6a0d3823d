"""No change makes a step clearly dearer: a small benchmark for CI, `make bench-guard`.

Counts are exact and held tightly; timings are compared within one run, so that
the machine does not matter, and fail only when they are clearly and twice worse.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from flowmesh_services.embedded import EmbeddedServers
from tests.benchmarks import ceiling
from tests.benchmarks.guard import verdict
from tests.benchmarks.guard.counting import counts_per_step, cpu_us, timed
from tests.benchmarks.guard.systems import system, tapped_system
from tests.benchmarks.stack import Stack
from tests.upgrade.versions import earlier_tree

pytestmark = pytest.mark.timeout(120)

SHARE = 0.1
"""Of the raw ceiling, with one process for all roles, one worker and one client."""
_ROUNDS = 2
_RUNS = 3


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[EmbeddedServers]:
    async with EmbeddedServers() as started:
        yield started


@pytest.fixture(scope="module")
async def today(servers: EmbeddedServers) -> AsyncIterator[Stack]:
    async with system(servers, 2) as stack:
        yield stack


async def test_a_step_asks_no_more_of_the_stores(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    # On servers of its own: what another system asks of them would count as well.
    async with EmbeddedServers() as servers, tapped_system(servers, 1, tmp_path) as (stack, tap):
        found = await counts_per_step(stack, tap)
    if request.config.getoption("--bench-renew", default=False):
        verdict.renew(found)
    known = verdict.baseline()
    print(json.dumps(found, indent=1))
    for saving in verdict.savings(known, found):
        print(f"saved, so renew the baseline: {saving}")
    assert verdict.excesses(known, found) == []


async def test_a_step_costs_no_more_than_with_the_earlier_code(
    today: Stack, servers: EmbeddedServers, tmp_path: Path
) -> None:
    async with system(servers, 3, earlier_tree(tmp_path)) as earlier:
        for _ in range(_ROUNDS):
            costs = await _side_by_side([today, earlier])
            print("CPU µs per step, today and with the earlier code:", costs)
            if not verdict.is_dearer(*costs):
                return
    pytest.fail(f"a step costs {costs[0]:.0f} µs of CPU, and {costs[1]:.0f} µs with the earlier code")


async def _side_by_side(stacks: Sequence[Stack]) -> list[float]:
    """Return the least CPU of a step on each, measured in turns."""
    runs = [[cpu_us(await timed(stack)) for stack in stacks] for _ in range(_RUNS)]
    return [min(costs) for costs in zip(*runs, strict=True)]


async def test_the_share_of_the_raw_ceiling_holds(today: Stack) -> None:
    for _ in range(_ROUNDS):
        raw = await ceiling.measure(today, 64, 10_000)
        share = max([(await timed(today)).steps_per_second for _ in range(_RUNS)]) / raw
        print(f"share of the raw ceiling, {raw:,.0f} steps/s: {share:.1%}")
        if not verdict.is_lower(share, SHARE):
            return
    pytest.fail(f"{share:.1%} of the raw ceiling, {SHARE:.0%} before")
