"""A short run of everything at once; `make chaos` makes longer ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import ChaosOptions, run_chaos

pytestmark = pytest.mark.chaos

SEED = 7


@pytest.mark.timeout(300)
async def test_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path) -> None:
    options = ChaosOptions(seed=SEED, seconds=60.0, pause=0.5, settle_seconds=120.0)

    outcome = await run_chaos(options, tmp_path)

    assert outcome.verdict is not None
    assert outcome.verdict.exit_code == 0, (outcome.verdict, outcome.faults)
    assert outcome.open_executions == 0
    assert outcome.accepted > 100
    assert len(outcome.faults) > 30
