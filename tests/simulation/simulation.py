"""One run: a cluster, a storm from a seed, and what became of everything that was accepted."""

from __future__ import annotations

import gc
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from tests.simulation.callers import Callers
from tests.simulation.cluster import Cluster
from tests.simulation.faults import Dice, Fault, WithinFaults
from tests.simulation.loop import WORLD, Process, SimulatedLoop
from tests.simulation.storm import Storm
from tests.simulation.trace import Trace

_EXECUTIONS = 4
_SUBMITTED_WITHIN = 6.0
_STORM = 12.0
_PATIENCE = 90.0
"""Virtual seconds after the last fault in which everything has to end."""
_MOST_STEPS = 150_000


class Mode(Enum):
    """What a run shows."""

    SAFETY = "safety"
    """Faults to the end; nothing wrong may ever happen."""
    LIVENESS = "liveness"
    """The faults end; then everything accepted has to end, and nothing may be left behind."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        seed: What it was drawn from.
        mode: What it shows.
        violations: What must not have happened; empty when all is well.
        digest: The same for two runs that did the same.
        steps: How many callbacks ran.
        appends: How many appends were judged.
        struck: How often each fault struck.
        trace: The last steps, for people.
    """

    seed: int
    mode: Mode
    violations: tuple[str, ...]
    digest: int
    steps: int
    appends: int
    struck: dict[Fault, int]
    trace: str


def mode_of(seed: int) -> Mode:
    """Return what a seed shows when nobody says."""
    return Mode.SAFETY if seed % 3 == 0 else Mode.LIVENESS


def simulate(seed: int, mode: Mode | None = None, lines: int = 60) -> Outcome:
    """Run one seed; `lines` is how much of its end is told."""
    logging.disable(logging.CRITICAL)
    state = random.getstate()
    random.seed(seed)  # the engine's own spreading of waits
    gc.disable()  # a run is short, and leaves everything behind at once
    try:
        return _Run(seed, mode or mode_of(seed), lines).outcome()
    finally:
        gc.enable()
        random.setstate(state)
        logging.disable(logging.NOTSET)


class _Run:
    def __init__(self, seed: int, mode: Mode, lines: int) -> None:
        rng = random.Random(seed)
        self._seed = seed
        self._mode = mode
        self._trace = Trace(lines)
        self._dice = Dice(rng, lambda what: self._cluster.trace("fault", what))
        self._loop = SimulatedLoop(rng, self._step, self._failed)
        self._cluster = Cluster(self._loop, rng, self._dice, self._trace)
        self._judge = self._cluster.backend.judge
        self._within = WithinFaults(self._dice, self._cluster.crash, self._cluster.freeze)
        self._storm = Storm(self._cluster, self._dice)
        self._callers = Callers(self._cluster, rng, _EXECUTIONS, _SUBMITTED_WITHIN)
        self._looked_at = 0.0

    def outcome(self) -> Outcome:
        try:
            try:
                self._play()
            except Exception as error:  # noqa: BLE001 - a finding like any other
                self._judge.object_to(f"the run ended by {error!r}")
            return Outcome(
                self._seed,
                self._mode,
                tuple(self._judge.violations),
                hash((self._loop.digest, self._trace.digest)),
                self._loop.steps,
                self._judge.appends,
                self._dice.struck,
                str(self._trace),
            )
        finally:
            self._loop.dispose()

    def _play(self) -> None:
        self._loop.spawn(WORLD, self._cluster.start())
        self._loop.spawn(WORLD, self._storm.blow())
        self._loop.run_until(_STORM, self._has_failed, _MOST_STEPS)
        if self._mode is Mode.LIVENESS and not self._has_failed():
            self._storm.heal()
            rested = self._loop.run_until(self._loop.time() + _PATIENCE, self._is_over, _MOST_STEPS)
            if not rested:
                for complaint in self._leftovers():
                    self._judge.object_to(f"after {_PATIENCE:.0f} s without faults: {complaint}")
        self._judge.look_back()

    def _has_failed(self) -> bool:
        return bool(self._judge.violations)

    def _is_over(self) -> bool:
        """Say whether the run can end; looks now and then."""
        if self._loop.time() < self._looked_at + 0.5:
            return self._has_failed()
        self._looked_at = self._loop.time()
        return self._has_failed() or not any(self._leftovers())

    def _leftovers(self) -> Iterator[str]:
        """Name what has not ended or is still lying around."""
        backend = self._cluster.backend
        if self._callers.waiting:
            yield f"{self._callers.waiting} callers still wait"
        for key, row in backend.database.executions.items():
            if not row.record.status.is_terminal:
                yield f"{key} is {row.record.status.name}"
        yield from self._left_in_redis()
        yield from self._left_in_memory()

    def _left_in_redis(self) -> Iterator[str]:
        transport = self._cluster.backend.transport
        for partition, log in transport.logs.items():
            if log.entries:
                yield f"commands of partition {partition}: {list(log.entries.values())}"
        for name, queue in transport.queues.items():
            if queue.waiting or queue.pending:
                yield f"queue {name.handler}: {dict(queue.waiting)} {dict(queue.pending)}"
        # A paused owner that goes on may note an execution that is over; the next takeover removes it.
        were_zombies = self._dice.struck.keys() & {Fault.FREEZE, Fault.FREEZE_WITHIN}
        for partition, dispatched in transport.dispatched.items():
            if dispatched and not were_zombies:
                yield f"dispatched sequences of partition {partition}: {dispatched}"

    def _left_in_memory(self) -> Iterator[str]:
        backend = self._cluster.backend
        rows = backend.database.members.values()
        living = [row.member for row in rows if backend.database.is_alive(row.member.member_id)]
        if len(living) != len(self._cluster.clocks()):
            yield f"members: {[member.address for member in living]}"
        for partition, row in backend.database.partitions.items():
            if not backend.database.is_alive(row.owner):
                yield f"partition {partition} has no owner"
        for owner in self._cluster.owners():
            for lane in owner.lanes:
                if lane.open_executions:
                    yield f"an owner still holds {lane.open_executions} executions"
        for process in self._cluster.gateways():
            gateway = process.host._gateway
            if gateway is None:
                yield f"{process.process.name} takes no workers"
            elif gateway._desk.held_tasks or len(gateway._desk.decisions):
                desk = gateway._desk
                held, owed = [task.claims.identity for task in desk.held_tasks], len(desk.decisions)
                yield f"{process.process.name} holds {held} and waits for {owed} answers"

    def _step(self, process: Process) -> None:
        self._within.step(process)

    def _failed(self, what: str) -> None:
        self._judge.object_to(f"an error that nobody took: {what}")
