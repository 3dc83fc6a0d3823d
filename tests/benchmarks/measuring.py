"""One run of a workload on a running system."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

from tests.benchmarks import accounting, outcomes
from tests.benchmarks.client_process import Done, Job
from tests.benchmarks.stack import Stack
from tests.benchmarks.workloads import Workload


@dataclass(frozen=True)
class Run:
    """What one run took.

    Attributes:
        seconds: From the first call to the last answer or end.
        preparing: What registering the workflows took, before that.
        executions_per_second: How many executions were finished.
        steps_per_second: How many handlers were called.
        p50_ms: Of a call, or of an execution when results were awaited.
        p99_ms: Likewise.
        step_p50_ms: Of a step, from being ready to being recorded as completed.
        step_p99_ms: Likewise.
        cpu_us: CPU microseconds for each step, by process.
        peak_mib: Peak of resident memory, by process.
        foreign_cores: Cores that other programs of the machine used meanwhile.
        history_bytes: Bytes of history for each step.
    """

    seconds: float
    preparing: float
    executions_per_second: float
    steps_per_second: float
    p50_ms: float
    p99_ms: float
    step_p50_ms: float
    step_p99_ms: float
    cpu_us: dict[str, float]
    peak_mib: dict[str, float]
    foreign_cores: float
    history_bytes: float


async def measure(stack: Stack, load: Workload, *, warm_up: bool = False) -> Run:
    """Run a workload once, and check what came of it; a warm-up is a tenth of it.

    Raises:
        WrongOutcome: It did not do what it should have.
    """
    count = max(1, load.count // 10) if warm_up else load.count
    handled = stack.handled()
    accounting.reset_peaks(stack.processes.values())
    before = stack.usage()
    done = await asyncio.gather(*_jobs(stack, load, count))
    ids = [each for one in done for each in one.ids]
    await outcomes.settle(stack, ids)
    after = stack.usage()
    steps = load.steps_of(count)
    left = await outcomes.check(stack, ids, steps, stack.handled() - handled)
    started = min(one.started for one in done)
    seconds = max(left.ended, *(one.ended for one in done)) - started
    taken = await outcomes.step_seconds(stack, ids)
    return _run(done, taken, seconds, steps, before, after, left)


def _jobs(stack: Stack, load: Workload, count: int) -> list[Coroutine[None, None, Done]]:
    jobs: list[Coroutine[None, None, Done]] = []
    first = 0
    for number, client in enumerate(stack.clients[: load.clients]):
        share = count * (number + 1) // load.clients - first
        job = Job(list(load.graphs), first, share, max(1, load.concurrency // load.clients), load.style)
        jobs.append(client.run(job))
        first += share
    return jobs


def _run(
    done: Sequence[Done],
    step_seconds: Sequence[float],
    seconds: float,
    steps: int,
    before: accounting.Usage,
    after: accounting.Usage,
    left: outcomes.Outcome,
) -> Run:
    taken = sorted(each * 1_000 for one in done for each in one.seconds)
    spent = {name: after.cpu[name] - before.cpu[name] for name in after.cpu}
    return Run(
        seconds=seconds,
        preparing=max(one.preparing for one in done),
        executions_per_second=sum(len(one.ids) for one in done) / seconds,
        steps_per_second=steps / seconds,
        p50_ms=quantile(taken, 0.5),
        p99_ms=quantile(taken, 0.99),
        step_p50_ms=quantile(step_seconds, 0.5) * 1_000,
        step_p99_ms=quantile(step_seconds, 0.99) * 1_000,
        cpu_us={name: 1e6 * each / steps for name, each in spent.items()},
        peak_mib=dict(after.peak_mib),
        foreign_cores=max(0.0, after.machine - before.machine - sum(spent.values())) / seconds,
        history_bytes=left.history_bytes / steps,
    )


def quantile(ordered: Sequence[float], part: float) -> float:
    """Return what this part of the values, which are in order, does not exceed."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
