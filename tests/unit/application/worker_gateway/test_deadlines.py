from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from flowmesh_core.application.worker_gateway.deadlines import Deadlines


class Thing:
    def __init__(self, due: float) -> None:
        self.due = due

    def next_due(self) -> float:
        return self.due


def test_things_come_up_in_time_and_once() -> None:
    deadlines = Deadlines[Thing]()
    early, late = Thing(1), Thing(5)
    deadlines.watch(late, 0)
    deadlines.watch(early, 0)
    assert deadlines.earliest() == 1
    assert deadlines.pop_due(0.9) == []
    assert deadlines.pop_due(1) == [early]
    assert deadlines.pop_due(5) == [late]
    assert deadlines.earliest() == inf


def test_what_moved_to_later_comes_up_later() -> None:
    deadlines = Deadlines[Thing]()
    thing = Thing(1)
    deadlines.watch(thing, 0)
    thing.due = 3
    assert deadlines.pop_due(2) == []
    assert deadlines.earliest() == 3
    assert deadlines.pop_due(3) == [thing]


def test_what_ended_early_is_let_go_long_before_its_deadline() -> None:
    deadlines = Deadlines[Thing]()
    things = [Thing(600) for _ in range(100)]
    for thing in things:
        deadlines.watch(thing, 0)
        thing.due = inf
    assert deadlines.pop_due(10) == []
    assert len(deadlines) == 0


def test_a_sooner_deadline_wakes_who_waits() -> None:
    deadlines = Deadlines[Thing]()
    deadlines.watch(Thing(5), 0)
    deadlines.pop_due(0)
    assert not deadlines.sooner.is_set()
    deadlines.watch(Thing(6), 0)
    assert not deadlines.sooner.is_set()
    deadlines.watch(Thing(4), 0)
    assert deadlines.sooner.is_set()


@given(st.lists(st.floats(0, 1000), max_size=50), st.lists(st.floats(0, 50), max_size=50))
def test_nothing_due_is_ever_missed(moments: list[float], steps: list[float]) -> None:
    deadlines = Deadlines[Thing]()
    open_ = {Thing(moment) for moment in moments}
    for thing in open_:
        deadlines.watch(thing, 0)
    now = 0.0
    for step in steps:
        now += step
        due = set(deadlines.pop_due(now))
        assert due == {thing for thing in open_ if thing.due <= now}
        open_ -= due
