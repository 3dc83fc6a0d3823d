"""The guard catches what it is there for; the results here are made up."""

from __future__ import annotations

import pytest

from tests.benchmarks.guard import verdict
from tests.benchmarks.guard.counting import LOADS
from tests.benchmarks.guard.wire_tap import Messages

KNOWN = {
    "chain": {"Redis commands": 18.775, "SQL statements": 1.535, "history bytes": 54.0},
    "fan": {"Redis commands": 2.588},
}


def found(load: str, name: str, value: float) -> verdict.Counts:
    return {**KNOWN, load: {**KNOWN[load], name: value}}


def test_the_same_counts_pass() -> None:
    assert verdict.excesses(KNOWN, KNOWN) == []
    assert verdict.savings(KNOWN, KNOWN) == []


@pytest.mark.parametrize(
    ("load", "name", "value"),
    [
        ("chain", "Redis commands", 19.775),
        ("chain", "SQL statements", 1.635),  # one statement more for each execution of ten steps
        ("chain", "history bytes", 58.0),
        ("fan", "Redis commands", 3.588),
    ],
)
def test_a_planted_regression_fails(load: str, name: str, value: float) -> None:
    (problem,) = verdict.excesses(KNOWN, found(load, name, value))
    assert load in problem
    assert name in problem


def test_what_was_never_measured_before_fails() -> None:
    assert verdict.excesses(KNOWN, found("chain", "locks", 1.0)) == ["chain: locks has no baseline"]


def test_noise_passes_and_savings_are_named() -> None:
    assert verdict.excesses(KNOWN, found("chain", "Redis commands", 18.9)) == []
    assert verdict.excesses(KNOWN, found("chain", "Redis commands", 10.0)) == []
    assert len(verdict.savings(KNOWN, found("chain", "Redis commands", 10.0))) == 1


def test_timings_fail_only_when_they_are_clearly_worse() -> None:
    assert verdict.is_dearer(cpu=810.0, earlier=500.0)
    assert not verdict.is_dearer(cpu=600.0, earlier=500.0)
    assert verdict.is_lower(share=0.05, known=0.14)
    assert not verdict.is_lower(share=0.10, known=0.14)


def test_every_load_has_a_baseline_of_the_same_counts() -> None:
    known = verdict.baseline()
    assert known.keys() == {load.name for load in LOADS} | {"idle"}
    assert len({frozenset(known[load.name]) for load in LOADS}) == 1


def test_messages_are_found_however_they_are_cut() -> None:
    startup = (12).to_bytes(4, "big") + bytes(8)
    said = startup + b"P\0\0\0\x08abcd" + b"E\0\0\0\x04" + b"S\0\0\0\x04"
    whole, cut = Messages(), Messages()
    assert list(whole.types(said)) == [b"P", b"E", b"S"]
    assert [kind for at in range(len(said)) for kind in cut.types(said[at : at + 1])] == [b"P", b"E", b"S"]
