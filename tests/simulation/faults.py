"""Which faults a run has, and when they strike; all of it drawn from the seed."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Final

from tests.simulation.loop import Process


class Fault(Enum):
    """What may go wrong."""

    CRASH = "a process dies"
    FREEZE = "a process stands still and goes on later"
    CRASH_WITHIN = "a process dies between two awaits"
    FREEZE_WITHIN = "a process stands still between two awaits"
    REFUSED = "a store does not answer, and did nothing"
    ANSWER_LOST = "a store did what it was asked, and its answer is lost"
    UNKNOWN_COMMIT = "an append is or is not committed, and nobody knows"
    COMMAND_LOST = "a command is lost on its way"
    COMMAND_TWICE = "a command arrives twice"
    COMMAND_LATE = "a command is overtaken by later ones"
    MAIL_LOST = "a message to a mailbox is lost"
    MAIL_LATE = "a message to a mailbox is overtaken by later ones"
    HINT_LOST = "nobody hears that tasks arrived"
    REDIS_EMPTY = "Redis loses everything"
    REDIS_EMPTY_AT_COMMIT = "Redis loses everything between a commit and what follows from it"
    REDIS_OLD = "Redis is what it was a while ago"
    QUEUE_GONE = "a queue of tasks is deleted"
    REDIS_AWAY = "Redis does not answer for a while"
    POSTGRES_AWAY = "PostgreSQL does not answer for a while"
    LISTENERS_CUT = "every subscription breaks"
    SLOW_STORES = "stores are slow for a while"
    CLOCK_JUMP = "the wall clock of a machine jumps"
    DATABASE_CLOCK_JUMP = "the clock of the database jumps ahead"
    STREAM_CUT = "the stream of a worker breaks"
    STREAM_SILENT = "the stream of a worker carries nothing more, and nobody hears of it"
    WORKER_CRASH = "a worker dies"
    ZOMBIE_REPORT = "a worker repeats an old report"


AT_CALLS: Final = {
    Fault.CRASH_WITHIN: 0.005,
    Fault.FREEZE_WITHIN: 0.005,
    Fault.REFUSED: 0.03,
    Fault.ANSWER_LOST: 0.03,
    Fault.UNKNOWN_COMMIT: 0.1,
    Fault.REDIS_EMPTY_AT_COMMIT: 0.08,
    Fault.COMMAND_LOST: 0.15,
    Fault.COMMAND_TWICE: 0.15,
    Fault.COMMAND_LATE: 0.15,
    Fault.MAIL_LOST: 0.1,
    Fault.MAIL_LATE: 0.15,
    Fault.HINT_LOST: 0.3,
    Fault.ZOMBIE_REPORT: 0.3,
}
"""How likely each fault is at each call that it can strike."""

BY_THEMSELVES: Final = tuple(fault for fault in Fault if fault not in AT_CALLS)
"""Faults that come out of the blue."""


class Dice:
    """Decides at every chance whether a fault strikes.

    Attributes:
        on: Whether anything goes wrong at all.
        enabled: The faults of this run.
        struck: How often each fault struck.
    """

    def __init__(self, rng: Random, trace: Callable[[str], None]) -> None:
        self.rng = rng
        self.on = True
        self.enabled = frozenset(fault for fault in Fault if rng.random() < 0.4)
        self.struck: dict[Fault, int] = {}
        self._trace = trace
        self._factor = rng.choice((0.3, 1.0, 2.0))

    def strikes(self, fault: Fault) -> bool:
        """Say whether a fault strikes at this call."""
        if not self.on or fault not in self.enabled or self.rng.random() >= AT_CALLS[fault] * self._factor:
            return False
        self.note(fault)
        return True

    def note(self, fault: Fault) -> None:
        """Count a fault."""
        self.struck[fault] = self.struck.get(fault, 0) + 1
        self._trace(f"FAULT {fault.value}")

    def interval(self) -> float:
        """Return the seconds until the next fault out of the blue."""
        return self.rng.expovariate(self._factor / 2.5)


class WithinFaults:
    """Strikes a process between two of its awaits: at a step of the loop, not at a call."""

    def __init__(
        self, dice: Dice, crash: Callable[[Process], None], freeze: Callable[[Process], None]
    ) -> None:
        self._dice = dice
        self._crash = crash
        self._freeze = freeze
        self._left = self._draw()

    def step(self, process: Process) -> None:
        """Count a step of a process."""
        self._left -= 1
        if self._left > 0 or process.number == 0 or not self._dice.on:
            return
        self._left = self._draw()
        choices = [(Fault.CRASH_WITHIN, self._crash), (Fault.FREEZE_WITHIN, self._freeze)]
        able = [(fault, act) for fault, act in choices if fault in self._dice.enabled]
        if able:
            fault, act = self._dice.rng.choice(able)
            self._dice.note(fault)
            act(process)

    def _draw(self) -> int:
        return 1 + int(self._dice.rng.expovariate(1 / 1_500))
