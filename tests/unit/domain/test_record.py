from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from subprocess import run

from flowmesh_core.domain.record import record


@record(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


def test_equal_records_are_one_key() -> None:
    assert Point(1) == Point(1, 0)
    assert {Point(1): "a"}[replace(Point(2), x=1)] == "a"


def test_nothing_but_its_fields_can_be_set() -> None:
    assert not hasattr(Point(1), "__dict__")


def test_the_type_checker_refuses_to_change_one(tmp_path: Path) -> None:
    code = tmp_path / "changes.py"
    code.write_text("from flowmesh_core.domain.payload import Payload\nPayload(b'x').data = b'y'\n")

    checked = run([sys.executable, "-m", "mypy", code], capture_output=True, text=True, check=False)

    assert checked.returncode == 1
    assert 'Property "data" defined in "Payload" is read-only' in checked.stdout
