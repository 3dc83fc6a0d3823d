"""Seeds run in processes of their own: order in sets of strings has to be the same in every run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.mutants import MUTANTS

_PARTS = 4
_SEEDS = 2_000 // _PARTS


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", "--jobs", "1", *options]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(_PARTS))
def test_nothing_is_lost_and_nothing_happens_twice(part: int) -> None:
    run = _run("--seeds", str(_SEEDS), "--first", str(part * _SEEDS))
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]


def test_a_seed_replays_exactly() -> None:
    first, second = (_run("--seeds", "20", "--first", "100", "--digests") for _ in range(2))
    digests = [line for line in first.stdout.splitlines() if "digest" in line]
    assert len(set(digests)) == 20
    assert digests == [line for line in second.stdout.splitlines() if "digest" in line]


@pytest.mark.timeout(300)
def test_every_defect_put_in_on_purpose_is_found() -> None:
    run = _run("--mutants", "--seeds", "2000")
    assert run.returncode == 0, run.stdout + run.stderr[-5_000:]
    assert len(run.stdout.splitlines()) == len(MUTANTS)
