from __future__ import annotations

import pytest

from tests.benchmarks.growth.judging import Metric, exponent, is_steeper, tail_exponent

SIZES = [10.0, 100.0, 1_000.0, 10_000.0]
FLAT = Metric("cpu", "CPU")
LINEAR = Metric("seconds", "seconds", linear=True)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_power_of_a_curve_is_found(power: float) -> None:
    assert exponent(SIZES, [3 * size**power for size in SIZES]) == pytest.approx(power)


def test_what_is_quadratic_in_the_end_is_found_behind_a_fixed_cost() -> None:
    costs = [5_000 + size + size**2 / 10_000 for size in SIZES]
    assert not is_steeper(LINEAR, exponent(SIZES, costs))
    found = tail_exponent([*SIZES, 100_000.0, 1_000_000.0], [*costs, 1.1e6, 1.01e8])
    assert is_steeper(LINEAR, found)


@pytest.mark.parametrize(("metric", "power"), [(FLAT, 0.0), (FLAT, -0.6), (LINEAR, 1.0), (LINEAR, 0.2)])
def test_what_is_expected_is_no_defect(metric: Metric, power: float) -> None:
    assert not is_steeper(metric, tail_exponent(SIZES, [size**power for size in SIZES]))


@pytest.mark.parametrize(("metric", "power"), [(FLAT, 0.4), (LINEAR, 1.5)])
def test_what_is_steeper_is_named(metric: Metric, power: float) -> None:
    assert is_steeper(metric, tail_exponent(SIZES, [size**power for size in SIZES]))


def test_costs_too_small_to_measure_have_no_power() -> None:
    assert exponent(SIZES, [0.0, 0.0, 0.0, 1.0]) == 0.0
