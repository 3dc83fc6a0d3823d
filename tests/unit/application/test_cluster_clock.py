from __future__ import annotations

import pytest

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.application.cluster_clock import ClusterClock
from flowmesh_core.domain.time import SECOND, Micros

HOUR = 3600 * SECOND


class _Machine(VirtualClock):
    """A clock whose wall clock can be set."""

    ahead = 0

    def now(self) -> Micros:
        return Micros(super().now() + self.ahead)


@pytest.fixture
def machine() -> _Machine:
    return _Machine()


def test_before_the_database_was_heard_it_is_the_clock_of_the_machine(machine: _Machine) -> None:
    clock = ClusterClock(machine)
    machine.advance(5.0)
    assert clock.now() == machine.now()


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 30 * SECOND, -30 * SECOND])
def test_a_jump_of_the_machine_changes_nothing(machine: _Machine, jump: int) -> None:
    clock = ClusterClock(machine)
    truth = machine.now()
    clock.hear(truth, machine.monotonic())
    machine.ahead = jump
    assert clock.now() == truth
    machine.advance(2.0)
    assert clock.now() == truth + 2 * SECOND


def test_a_machine_that_was_wrong_from_the_start_is_put_right(machine: _Machine) -> None:
    truth = machine.now()
    machine.ahead = HOUR
    clock = ClusterClock(machine)
    assert clock.now() == truth + HOUR
    clock.hear(truth, machine.monotonic())
    assert clock.now() == truth


def test_a_slow_answer_moves_no_clock_that_may_be_right(machine: _Machine) -> None:
    clock = ClusterClock(machine)
    asked_at, told = machine.monotonic(), clock.now()
    machine.advance(3.0)
    before = clock.now()
    clock.hear(told, asked_at)
    assert clock.now() == before, "it was read when it was asked for, and took 3 s to come"
    clock.hear(Micros(told + 3 * SECOND), asked_at)
    assert clock.now() == before, "it was read in the moment in which it came"
    clock.hear(Micros(told + 4 * SECOND), asked_at)
    assert clock.now() == before + SECOND, "it cannot have been read before"
