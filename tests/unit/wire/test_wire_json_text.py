from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmesh_services.wire.json_text import json_problem

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_the_standard_library_writes_is_json(value: object) -> None:
    assert json_problem(json.dumps(value).encode()) == ""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"NaN",
        b"[Infinity]",
        b"1e999",
        b"[1,]",
        b"{'a': 1}",
        b"\xff",
        b'"\\ud800"',
        b"\xef\xbb\xbf1",
        b"1" * 5000,
        b'{"a": 1} x',
    ],
)
def test_what_is_not_json_is_refused_with_words(data: bytes) -> None:
    assert json_problem(data)


def test_integers_of_any_size_are_fine() -> None:
    assert json_problem(b"[" + b"7" * 4000 + b"]") == ""


def test_nesting_is_bounded_exactly() -> None:
    assert json_problem(b"[" * 200 + b"]" * 200) == ""
    assert json_problem(b"[" * 201 + b"]" * 201) == "nested deeper than 200 levels"
    assert json_problem(b"[" * 100_000 + b"]" * 100_000)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert json_problem(b"[" + b",".join([b'{"a":[]}'] * 1000) + b"]") == ""
