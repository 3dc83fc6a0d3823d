"""The runbook knows every fault, and names only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.chaos.cluster import ROOT
from tests.chaos.faults import PROCESS_FAULTS, SLOW_FAULTS, STORE_FAULTS

RUNBOOK = (ROOT / "deploy" / "runbook.md").read_text()


def test_every_fault_has_an_entry() -> None:
    faults = {*STORE_FAULTS, *PROCESS_FAULTS, *SLOW_FAULTS}
    assert {fault for fault in faults if f"`{fault}`" not in RUNBOOK} == set()


def test_every_test_that_it_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", RUNBOOK)
    assert named
    for path, test in named:
        assert test in Path(ROOT / path).read_text()
