"""How long things stand still after each fault: `python -m tests.chaos.recovery`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

import asyncpg

from flowmesh import AsyncClient, ServiceError, Submission, Workflow
from flowmesh_core.adapters.codec import decode_events
from flowmesh_core.domain.events import NodeAttemptLost, NodeCompleted
from tests.chaos.cluster import (
    GATEWAY_LEASE_SECONDS,
    LEASE_SECONDS,
    WORKER_LEASE_SECONDS,
    Cluster,
    running_cluster,
)
from tests.chaos.facts import FactLog
from tests.chaos.faults import PROCESS_FAULTS, STORE_FAULTS, Fault, Scene
from tests.chaos.load import Clients, Load, LoadOptions
from tests.chaos.stores import running_stores
from tests.chaos.workflows import chain, slow

_PARTITIONS = 4
_RATE = 40.0
_WARM_SECONDS = 4.0
_WINDOW_SECONDS = 8.0
_ROWS = """
SELECT execution.partition, first_sequence, schema_version, body,
    extract(epoch FROM recorded_at)::float8 AS at
FROM flowmesh.history AS history
JOIN flowmesh.execution AS execution USING (namespace, execution_id)
WHERE history.recorded_at > now() - make_interval(secs => $1)
ORDER BY history.recorded_at
"""


@dataclass(frozen=True)
class Bar:
    """A fault, what is measured after it, and how long that may take.

    Attributes:
        name: The fault.
        fault: What does it.
        seconds: The bar.
        measures: `stall` of a partition, `after` the store is back, or the `redispatch` of lost tasks.
    """

    name: str
    fault: Fault
    seconds: float
    measures: str = "stall"


def _kill_and_leave(role: str) -> Fault:
    """A crash that nobody mends while the figure is taken."""

    async def fault(scene: Scene) -> None:
        member = scene.any_of(role)
        member.is_expected = False
        await member.kill()

    return fault


BARS = (
    Bar("orchestrator killed", _kill_and_leave("orchestration"), LEASE_SECONDS + 1),
    Bar("orchestrator paused", PROCESS_FAULTS["orchestration paused"], LEASE_SECONDS + 1),
    Bar("redis emptied", STORE_FAULTS["redis emptied"], 2.0),
    Bar("redis killed", STORE_FAULTS["redis killed"], 2.0),
    Bar("redis from an older copy", STORE_FAULTS["redis older"], 2.0, "after"),
    Bar("one stream deleted", STORE_FAULTS["stream deleted"], 2.0),
    Bar("postgres killed", STORE_FAULTS["postgres killed"], 3.0, "after"),
    Bar("postgres backends killed", STORE_FAULTS["postgres backends killed"], 3.0),
    Bar("gateway killed", _kill_and_leave("worker-control"), GATEWAY_LEASE_SECONDS, "redispatch"),
    Bar("worker killed", _kill_and_leave("worker"), WORKER_LEASE_SECONDS, "redispatch"),
)


@dataclass(frozen=True)
class Row:
    """One row of history."""

    partition: int
    at: float
    has_completed: bool
    has_lost: bool


async def rows_since(cluster: Cluster, seconds: float) -> list[Row]:
    """Read what the owners wrote lately."""
    async with cluster.stores.session() as session:
        return [_row(row) for row in await session.fetch(_ROWS, seconds)]


def _row(row: asyncpg.Record) -> Row:
    found = decode_events(row["schema_version"], row["first_sequence"], row["body"])
    completed, lost = (
        any(isinstance(event, kind) for event in found) for kind in (NodeCompleted, NodeAttemptLost)
    )
    return Row(row["partition"], row["at"], completed, lost)


def longest_stall(rows: Iterable[Row], since: float, until: float) -> float:
    """Return the longest time within these moments in which a partition completed nothing."""
    moments: defaultdict[int, list[float]] = defaultdict(lambda: [since])
    for row in rows:
        if row.has_completed and since < row.at < until:
            moments[row.partition].append(row.at)
    gaps = [
        later - earlier
        for partition in range(_PARTITIONS)
        for earlier, later in zip(moments[partition], [*moments[partition][1:], until], strict=True)
    ]
    return max(gaps)


def last_redispatch(rows: list[Row], since: float) -> float:
    """Return how long after the fault the last of the lost tasks was ready for another worker."""
    return max((row.at - since for row in rows if row.at > since and row.has_lost), default=0.0)


class Measurement:
    """One cluster under a steady load, on which faults come one at a time."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._rng = Random(seed)
        clients = [cluster.addresses(role) for role in ("submission", "orchestration")]
        self._clients = Clients.of(*clients)
        log = FactLog(cluster.directory / "clients.facts")
        options = LoadOptions(rate=_RATE, cancelled=0.0, watched=0.0)
        self._load = Load(self._clients, log, Random(seed), options, choose=_steady)

    async def take(self, bars: Iterable[Bar], report: Callable[[str], None]) -> None:
        """Bring every fault, and report what came after it."""
        for number in range(3):
            await self._cluster.add_worker("tests.chaos.worker_process", f"worker-{number + 1}", number)
        loading = asyncio.create_task(self._load.run(3600.0))
        try:
            await asyncio.sleep(_WARM_SECONDS)
            report(await self._quiet())
            for bar in bars:
                report(await self._one(bar))
        finally:
            loading.cancel()
            await asyncio.wait([loading])
            await self._load.abandon()
            await self._clients.close()

    async def _quiet(self) -> str:
        start = time.time()
        await asyncio.sleep(_WINDOW_SECONDS)
        rows = await rows_since(self._cluster, 2 * _WINDOW_SECONDS)
        return f"| no fault | stall | {longest_stall(rows, start, time.time() - 0.5):.2f} s | |"

    async def _one(self, bar: Bar) -> str:
        scene = Scene(self._cluster, self._rng)
        start = time.time()
        await bar.fault(scene)
        back = time.time()
        await asyncio.sleep(_WINDOW_SECONDS)
        end = time.time() - 0.5
        rows = await rows_since(self._cluster, time.time() - start + 1)
        await self._cluster.heal()
        await asyncio.sleep(_WARM_SECONDS)
        found = {
            "stall": lambda: longest_stall(rows, start, end),
            "after": lambda: longest_stall(rows, back, end),
            "redispatch": lambda: last_redispatch(rows, start),
        }[bar.measures]()
        if not found:
            return f"| {bar.name} | {bar.measures} | nothing was lost | |"
        verdict = "met" if found <= bar.seconds else f"missed by {found - bar.seconds:.2f} s"
        return f"| {bar.name} | {bar.measures} | {found:.2f} s | {bar.seconds:.1f} s: {verdict} |"


def _steady(rng: Random) -> Workflow:
    return rng.choices((_CHAIN, _SLOW), (3, 1))[0]


_CHAIN, _SLOW = chain(10), slow()


async def measure(directory: Path, seed: int, bars: Iterable[Bar], report: Callable[[str], None]) -> None:
    """Start everything and take these figures."""
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(running_stores())
        cluster = await stack.enter_async_context(running_cluster(directory, stores, partitions=_PARTITIONS))
        await Measurement(cluster, seed).take(bars, report)


class Rebuild:
    """Executions that wait for a worker which never comes, and a Redis that is emptied under them."""

    def __init__(self, cluster: Cluster, count: int) -> None:
        self._cluster = cluster
        self._count = count

    async def take(self, report: Callable[[str], None]) -> None:
        """Measure with the owners alive, and with one of them killed in the same moment."""
        await self._submit()
        await self._queued()
        for name, killed in (("redis emptied", False), ("redis emptied, an orchestrator killed", True)):
            start = time.monotonic()
            await self._cluster.stores.flush_redis()
            if killed:
                await _kill_and_leave("orchestration")(Scene(self._cluster, Random(0)))
            await self._queued()
            taken = time.monotonic() - start
            report(f"| {name}, {self._count:,} open executions | rebuild | {taken:.2f} s | |")

    async def _submit(self) -> None:
        workflow = Workflow("waits")
        workflow.node("nobody", id="waits")
        async with AsyncClient(self._cluster.addresses("submission")[0]) as client:
            for _ in range(0, self._count, 1000):
                accepted = await client.submit_many(Submission(workflow) for _ in range(1000))
                assert not any(isinstance(each, ServiceError) for each in accepted)

    async def _queued(self) -> None:
        """Wait until every execution has a task in a queue."""
        async with asyncio.timeout(120):
            while True:
                if await self._cluster.stores.queued("nobody") >= self._count:
                    return
                await asyncio.sleep(0.02)


async def rebuild(directory: Path, count: int, report: Callable[[str], None]) -> None:
    """Start everything without workers and take the figure."""
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(running_stores())
        cluster = await stack.enter_async_context(running_cluster(directory, stores))
        await Rebuild(cluster, count).take(report)


def main() -> None:
    """Print a table of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="the one fault to measure")
    parser.add_argument("--times", type=int, default=1, help="how often each fault is measured")
    parser.add_argument("--executions", type=int, default=10_000)
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything started is ended

    def report(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    report("| fault | measured | figure | bar |")
    report("|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="flowmesh-recovery-") as directory:
        bars = [bar for bar in BARS if words.only in ("", bar.name) for _ in range(words.times)]
        asyncio.run(measure(Path(directory), words.seed, bars, report))
    if words.only:
        return
    with tempfile.TemporaryDirectory(prefix="flowmesh-rebuild-") as directory:
        asyncio.run(rebuild(Path(directory), words.executions, report))


if __name__ == "__main__":
    main()
