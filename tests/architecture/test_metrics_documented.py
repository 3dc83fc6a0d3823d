"""deploy/README.md names every metric with its kind and unit, and none that does not exist."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from flowmesh_core.adapters.otel import unit_of
from tests.architecture.sources import IMPORT_ROOTS, ROOT, parsed, python_files

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROW = re.compile(r"^\| `([a-z_.]+)` \| (\w+) \| `(.+?)` \|", re.MULTILINE)
_KINDS = {"count": "counter", "measure": "histogram", "level": "level"}


def _calls() -> Iterator[tuple[str, str, list[ast.expr]]]:
    """Every call of a method with a literal first: its name, the literal, and all arguments."""
    for path in python_files():
        if not path.is_relative_to(IMPORT_ROOTS[0]) and not path.is_relative_to(IMPORT_ROOTS[1]):
            continue
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Call(func=ast.Attribute(attr=method), args=[ast.Constant(value=str(first)), *_]):
                    yield method, first, node.args


def _used() -> set[tuple[str, str, str]]:
    """Name, kind and unit of every metric in the code."""
    found = {
        (name, _KINDS[method], unit_of(name))
        for method, name, _ in _calls()
        if method in _KINDS and name.startswith("flowmesh.")
    }
    for method, name, arguments in _calls():
        if method == "create_histogram":
            assert isinstance(arguments[1], ast.Constant)
            found.add((name, "histogram", str(arguments[1].value)))
    return found


def test_the_table_and_the_code_agree() -> None:
    documented = set(_ROW.findall((ROOT / "deploy/README.md").read_text()))
    used = _used()
    assert documented - used == set()
    assert used - documented == set()


def test_no_metric_has_two_kinds() -> None:
    names = [name for name, _, _ in _used()]
    assert len(names) == len(set(names))
