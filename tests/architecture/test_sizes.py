"""Small functions, short files."""

from __future__ import annotations

import ast
import statistics
from typing import TYPE_CHECKING

from tests.architecture.sources import module_name, parsed, python_files, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_FUNCTION = 50
LONGEST_FILE = 400
MEDIAN_FUNCTION = 7


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name every function with its length in lines."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            yield f"{shown(path)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def _body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines a function's statements take, its docstring not counted."""
    statements = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if not statements or statements[-1].end_lineno is None:
        return 0
    return statements[-1].end_lineno - statements[0].lineno + 1


def test_no_function_is_long() -> None:
    lengths = [function for path in python_files() for function in _functions(path)]
    assert [function for function in lengths if function[1] > LONGEST_FUNCTION] == []


def test_functions_are_short_as_a_rule() -> None:
    bodies = [
        _body_length(node)
        for path in python_files()
        if module_name(path) is not None
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert statistics.median(bodies) <= MEDIAN_FUNCTION


def test_no_file_is_long() -> None:
    lengths = {shown(path): path.read_text().count("\n") for path in python_files()}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}
