"""The runbook knows every fault, and names only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.chaos.cluster import ROOT
from tests.chaos.faults import PROCESS_FAULTS, SLOW_FAULTS, STORE_FAULTS

RUNBOOK = (ROOT / "deploy" / "runbook.md").read_text()


FAULTS = {*STORE_FAULTS, *PROCESS_FAULTS, *SLOW_FAULTS}


def test_every_fault_has_an_entry() -> None:
    assert {fault for fault in FAULTS if f"`{fault}`" not in RUNBOOK} == set()


def test_every_entry_names_what_shows_it() -> None:
    rows = [line.split(" | ") for line in RUNBOOK.splitlines() if line.startswith("| ")]
    entries = {row[0]: set(re.findall(r"`([^`]+)`", row[-1])) for row in rows if row[0] != "| fault"}
    assert entries
    shown = {entry for entry, named in entries.items() if named & FAULTS or any(map(_is_test, named))}
    assert set(entries) == shown


def _is_test(name: str) -> bool:
    return re.match(r"tests/[\w/]+/test_\w+\.py", name) is not None


def test_every_test_that_it_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", RUNBOOK)
    assert named
    for path, test in named:
        assert test in Path(ROOT / path).read_text()
