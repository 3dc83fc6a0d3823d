"""One run: load, a seeded schedule of faults, healing, and the verdict of `flowmesh verify`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from tests.acceptance.processes import COMMAND
from tests.chaos.cluster import ROOT, Cluster, running_cluster
from tests.chaos.facts import FactLog
from tests.chaos.faults import PROCESS_FAULTS, SLOW_FAULTS, STORE_FAULTS, Fault, Scene
from tests.chaos.load import Clients, Load, LoadOptions
from tests.chaos.progress import Progress
from tests.chaos.stores import running_stores
from tests.chaos.workflows import STEPS, choose_many_steps, poison

_VERDICT_SECONDS = 10.0
_OPEN = "SELECT count(*) FROM flowmesh.execution WHERE status IN ('PENDING', 'RUNNING', 'CANCELLING')"


@dataclass(frozen=True)
class ChaosOptions:
    """How long, how much, and which chances.

    Attributes:
        seed: Decides which faults come in which order, and where.
        seconds: How long faults come.
        steps: How many steps have to complete under faults, whatever time that takes; 0 for `seconds`.
        load: What clients do meanwhile.
        workers: How many honest workers there are.
        zombies: How many workers repeat themselves.
        poison_every: Seconds between tasks that kill their worker.
        settle_seconds: How long everything may take to end after the last heal.
        pause: The longest wait between two faults.
        tell_every: Seconds between words about how far a run by steps has come; 0 for none.
        is_long: Whether faults come that take long to be noticed.
    """

    seed: int
    seconds: float = 0.0
    steps: int = 0
    load: LoadOptions = field(default_factory=LoadOptions)
    workers: int = 3
    zombies: int = 1
    poison_every: float = 9.0
    settle_seconds: float = 60.0
    pause: float = 1.0
    tell_every: float = 0.0
    is_long: bool = False


@dataclass(frozen=True)
class Verdict:
    """What `flowmesh verify` said."""

    exit_code: int
    report: dict[str, object]
    said: str


@dataclass
class Outcome:
    """What came of a run."""

    accepted: int = 0
    stormed: float = 0.0
    steps: int = 0
    faults: list[str] = field(default_factory=list)
    settled_in: float = 0.0
    clients_settled_in: float = 0.0
    open_executions: int = 0
    verdict: Verdict | None = None


async def run_chaos(options: ChaosOptions, directory: Path) -> Outcome:
    """Start everything, break it again and again, heal it, and judge."""
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(running_stores())
        cluster = await stack.enter_async_context(running_cluster(directory, stores))
        return await Run(options, cluster).run()


class Run:
    """The parts of one run on a cluster that serves."""

    def __init__(self, options: ChaosOptions, cluster: Cluster) -> None:
        self._options = options
        self._cluster = cluster
        self._rng = Random(options.seed)
        self._log = FactLog(cluster.directory / "clients.facts")
        self._outcome = Outcome()
        self._progress = Progress(cluster.stores, STEPS)
        self._is_over = False

    async def run(self) -> Outcome:
        """Load and faults side by side, then peace."""
        await self._start_workers()
        addresses = [self._cluster.addresses(role) for role in ("submission", "orchestration")]
        clients = Clients.of(*addresses)
        load = Load(clients, self._log, Random(self._options.seed + 1), self._options.load)
        if self._options.steps:
            load.choose = choose_many_steps
        supervisor = asyncio.create_task(self._supervise())
        try:
            await self._storm(load)
            await self._settle(load)
        finally:
            supervisor.cancel()
            await asyncio.wait([supervisor])
            await load.abandon()
            await clients.close()
        await self._stop_workers()
        self._outcome.accepted = load.accepted
        self._outcome.verdict = await verified(self._cluster)
        return self._outcome

    async def _start_workers(self) -> None:
        for number in range(self._options.workers):
            await self._cluster.add_worker("tests.chaos.worker_process", f"worker-{number + 1}", number)
        for number in range(self._options.zombies):
            await self._cluster.add_worker("tests.chaos.zombie_process", f"zombie-{number + 1}", number)

    async def _storm(self, load: Load) -> None:
        processes = PROCESS_FAULTS | (SLOW_FAULTS if self._options.is_long else {})
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._load(load))
            tasks.create_task(self._break(STORE_FAULTS))
            tasks.create_task(self._break(processes))
            tasks.create_task(self._poison(load))
            tasks.create_task(self._tell(started))
        self._outcome.stormed = time.monotonic() - started

    async def _load(self, load: Load) -> None:
        """Let clients work; when they have done enough, no further fault comes."""
        try:
            if self._options.steps:
                await load.run_until(self._options.steps, self._progress)
                self._outcome.steps = self._progress.last.steps
            else:
                await load.run(self._options.seconds)
        finally:
            self._is_over = True

    async def _tell(self, started: float) -> None:
        """Say now and then how far it has come, where that is asked for."""
        while self._options.tell_every:
            await asyncio.sleep(self._options.tell_every)
            if self._is_over:
                return
            seconds, now = time.monotonic() - started, self._progress.last
            said = f"{now.steps} steps, {now.open} executions open, {len(self._outcome.faults)} faults"
            sys.stderr.write(f"{seconds:6.0f} s: {said}\n")

    async def _break(self, faults: dict[str, Fault]) -> None:
        """Bring one of these faults after the other, each once before any comes again."""
        rng = Random(self._rng.random())
        scene = Scene(self._cluster, rng)
        names: list[str] = []
        while True:
            await asyncio.sleep(rng.uniform(0, self._options.pause))
            if self._is_over:
                return
            names = names or rng.sample(sorted(faults), len(faults))
            self._outcome.faults.append(names[-1])
            await faults[names.pop()](scene)

    async def _poison(self, load: Load) -> None:
        for number in count():
            await asyncio.sleep(self._options.poison_every)
            if self._is_over:
                return
            load.spawn(poison(), number)

    async def _supervise(self) -> None:
        """Start again what a poisoned task or a fault ended."""
        while True:
            for member in self._cluster.members.values():
                if member.is_expected and not member.is_running:
                    await self._cluster.revive(member)
            await asyncio.sleep(0.1)

    async def _settle(self, load: Load) -> None:
        """Heal everything, and wait until nothing is open and every client has its answer."""
        started = time.monotonic()
        await self._cluster.heal()
        deadline = started + self._options.settle_seconds
        self._outcome.open_executions = await open_executions(self._cluster, self._options.settle_seconds)
        self._outcome.settled_in = time.monotonic() - started
        await load.finish(max(1.0, deadline - time.monotonic()))
        self._outcome.clients_settled_in = time.monotonic() - started

    async def _stop_workers(self) -> None:
        """Let workers end; what a zombie still repeats is answered or gone in a moment."""
        for role in ("worker", "zombie"):
            for member in self._cluster.of(role):
                member.is_expected = False
                await member.stop()


async def open_executions(cluster: Cluster, seconds: float) -> int:
    """Wait until every execution has ended; return how many have not within these seconds."""
    deadline = time.monotonic() + seconds
    async with cluster.stores.session() as session:
        while still := int(await session.fetchval(_OPEN)):
            if time.monotonic() > deadline:
                return still
            await asyncio.sleep(0.1)
    return 0


async def verified(cluster: Cluster) -> Verdict:
    """Ask `flowmesh verify`, again for a little while: the last acknowledgements may be on their way."""
    deadline = time.monotonic() + _VERDICT_SECONDS
    while True:
        verdict = await _verify(cluster)
        if not verdict.exit_code or time.monotonic() > deadline:
            return verdict
        await asyncio.sleep(1.0)


async def _verify(cluster: Cluster) -> Verdict:
    stores = cluster.stores
    logs = sorted(cluster.directory.glob("*.facts"))
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("verify", "--settled", "--output", "json"),
        *(word for path in logs for word in ("--log", str(path))),
        env=cluster.environment(stores.postgres_url, stores.redis_url),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Verdict(process.returncode, json.loads(out) if out else {}, err.decode())
