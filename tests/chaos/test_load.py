"""Nothing that goes wrong in a client goes unnoticed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.chaos.facts import FactLog
from tests.chaos.load import Clients, Load
from tests.chaos.workflows import choose


async def test_a_client_that_failed_long_ago_fails_the_run(tmp_path: Path) -> None:
    load = Load(Clients([], []), FactLog(tmp_path / "clients.facts"), Random(1))
    load.spawn(choose(Random(1)), 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # it has failed by now: there is nobody to submit to
    with pytest.raises(BaseExceptionGroup, match="clients failed") as caught:
        await load.finish(1.0)
    assert caught.group_contains(IndexError)
