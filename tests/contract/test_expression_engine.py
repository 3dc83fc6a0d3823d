"""What every expression engine must do; there is one."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmesh_core.adapters.cel import CelExpressionEngine, CelLimits
from flowmesh_core.domain.expressions import ExpressionError

if TYPE_CHECKING:
    from flowmesh_core.ports.expression_engine import ExpressionEngine

ENGINE: ExpressionEngine = CelExpressionEngine()


def value(source: str, **variables: object) -> object:
    return ENGINE.compile(source, variables.keys())(variables)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.count > 3", True),
        ("a.half > 3", False),
        ("a.count == 5.0 && a.whole == 5 && a.count == a.whole", True),
        ("a.count in [1.0, 5.0]", True),
        ("a.count + 1", 6),
        ("a.half + 1.0", 1.5),
        ("double(a.count) / 2.0", 2.5),
        ("a.items.map(i, i.n * 2)", [2, 4]),
        ("a.items.filter(i, i.n > 1).size()", 1),
        ("a.items.all(i, i.n > 0) && a.items.exists(i, i.n == 2)", True),
        ('"id-" + string(a.count)', "id-5"),
        ("a.none == null", True),
        ("a.none", None),
        ("has(a.nope)", False),
        ('has(a.nope) ? a.nope : "default"', "default"),
        ('a["two words"]', "\N{PILE OF POO}"),
        ('a["two words"] == "\N{PILE OF POO}"', True),
        ('{"k": [a.count, a.half, null, {"t": true}]}', {"k": [5, 0.5, None, {"t": True}]}),
        ("a.items", [{"n": 1}, {"n": 2}]),
        ('"abc".matches("^a.c$") && "abc".startsWith("ab")', True),
        ('timestamp("2026-01-02T03:04:05Z").getFullYear()', 2026),
        ("9223372036854775807", 2**63 - 1),
        ("1u", 1),
        ('"{{"', "{{"),
    ],
)
def test_expressions_have_values(source: str, expected: object) -> None:
    a = {
        "count": 5, "whole": 5.0, "half": 0.5, "items": [{"n": 1}, {"n": 2}], "none": None,
        "two words": "\N{PILE OF POO}",
    }  # fmt: skip
    found = value(source, a=a)

    assert found == expected
    assert type(found) is type(expected)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner)
    ),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_json_values_pass_through_unchanged(given_value: object) -> None:
    found = value("[a]", a=given_value)

    assert found == [given_value]
    if not isinstance(given_value, dict):
        assert type(found[0]) is type(given_value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "Syntax error"),
        ("1 +", "1:4"),
        ("a b", "Syntax error"),
        ("nope.x", "undeclared reference to 'nope"),
        ("a.nope()", "undeclared"),
        ('"a" + 1', "no matching overload"),
        ("9223372036854775808", "invalid int literal"),
        ("(" * 1_000 + "1" + ")" * 1_000, "recursion"),
        ("+".join(["1"] * 1_500), "recursion"),
        ("[" * 500 + "]" * 500, "recursion"),
        ("a" + ".x" * 1_000, "recursion"),
        ("x" * 4_097, "4,096 bytes"),
        ("\N{EURO SIGN}" * 1_500, "4,096 bytes"),
        ("optional.of(1)", "undeclared"),
        ("a.?x", "unsupported syntax"),
        ("import os", "Syntax error"),
        ("__import__('os')", "undeclared"),
    ],
)
def test_what_does_not_compile_says_why(source: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(words)):
        ENGINE.compile(source, {"a"})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a.nope", 'Key not found in map : "nope"'),
        ("a.items[9]", "index=9"),
        ("a.text.x", "SELECT"),
        ("1 / 0", "divide by zero"),
        ("9223372036854775807 + 1", "overflow"),
        ("a.n + 1.0", "No matching overloads"),
        ("a.text > 1", "No matching overloads"),
        ("a.n ? 1 : 2", "No matching overloads"),
        ("a.big", "64 bits"),
        ("a.nul == 'x'", "NUL"),
        ("a.surrogate", "construction"),
        ('timestamp("2026-01-02T03:04:05Z")', "timestamp, which JSON has no form for"),
        ('duration("1s")', "duration"),
        ('b"x"', "bytes"),
        ("[type(1)]", "type"),
        ("{1: 2}", "keys that are not strings"),
        ("1.0 / 0.0", "inf"),
        ("[0.0 / 0.0]", "nan"),
        ("a.a.map(x, a.a.map(y, a.a.map(z, a.a.map(w, w))))", "budget"),
    ],
)
def test_what_fails_says_why(source: str, words: str) -> None:
    fitting = {"n": 1, "items": [1], "text": "t", "a": list(range(200))}
    odd = {"big": {"big": 2**63}, "nul": {"nul": "x\0y"}, "surrogate": {"surrogate": "\ud800"}}
    name = source.removeprefix("a.").split(" ")[0]

    with pytest.raises(ExpressionError, match=re.escape(words)):
        value(source, a=odd.get(name, fitting))


@pytest.mark.parametrize(
    ("given_value", "words"),
    [
        (list(range(1_001)), "a list of 1,001 items"),
        ({"deep": [list(range(1_001))]}, "a list of 1,001 items"),
        ("x" * 262_145, "more than 262,144 bytes"),
        ({"x" * 262_145: 1}, "more than 262,144 bytes"),
        ([[0] * 900] * 50, "more than 262,144 bytes"),
        (2**63, "64 bits"),
        ([-(2**63) - 1], "64 bits"),
        ("\0", "NUL"),
        ({"\0": 1}, "NUL"),
    ],
)
def test_values_that_are_too_large_are_not_even_looked_at(given_value: object, words: str) -> None:
    with pytest.raises(ExpressionError, match=words):
        value("a == 1", a=given_value)


def test_values_that_are_too_deep_are_not_even_looked_at() -> None:
    deep: object = 1
    for _ in range(10_000):
        deep = [deep]

    with pytest.raises(ExpressionError, match="deeper than 64"):
        value("a", a=deep)


ITEMS = [{"id": index, "name": f"item {index}", "ok": index % 2 == 0} for index in range(1_000)]
TEXT = "ab" * 100_000


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "source",
    [
        "(a + a + a + a + a + a + a + a + a).map(x, x)",
        "a.map(x, a + a).map(y, y.map(z, z))",
        "[1].map(x, a + a + a).map(y, y.map(z, z))",
        "a.all(x, a.all(y, a.all(z, a.all(w, true))))",
        "a.map(x, t)",
        "a.map(x, t + t)",
        "a.map(x, a)",
        "a.map(x, string(x) + t)",
        "a.all(x, a.all(y, a.all(z, !(t in a) && !(t in a) && !(t in a))))",
        'a.all(x, !t.matches("(a|b)*c$") && !t.matches("(b|a)*c$"))',
        "[" + ",".join(["t + t + t + t + t + t + t + t"] * 100) + "]",
        't.matches("(((((a{1,9}){1,9}){1,9}){1,9}){1,9})")',
        'r"\\" + "" == a.map(x, t + t + r"\\")[0]',
        'a.map(x, // """\n t + t // """\n)',
    ],
)
def test_costly_expressions_end_soon_with_an_error(source: str) -> None:
    with pytest.raises(ExpressionError):
        value(source, a=list(range(1_000)), t=TEXT)


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("a.filter(i, i.ok)", 500),
        ("a.map(i, i.id)", 1_000),
        ('a.filter(i, i.ok).map(i, "<" + i.name + ">")', 500),
        ("a.filter(i, i.id == t.id)", 1),
        ("a.filter(i, i.id > 10 && i.id <= 20)", 10),
        ('a.filter(i, i.ok == true && i.name != "item 4" && i.id < 100)', 49),
        ('a.filter(i, i.name.startsWith("item 1")).map(i, {"id": i.id, "name": i.name + "!"})', 111),
    ],
)
def test_ordinary_loops_over_long_lists_are_fine(source: str, size: int) -> None:
    found = value(source, a=ITEMS, t={"id": 7})

    assert isinstance(found, list)
    assert len(found) == size


def test_limits_are_settings() -> None:
    engine = CelExpressionEngine(CelLimits(source_bytes=10, list_items=2, context_bytes=20, result_bytes=9))

    with pytest.raises(ExpressionError, match="10 bytes"):
        engine.compile("a == 123456", {"a"})
    with pytest.raises(ExpressionError, match="3 items"):
        engine.compile("a", {"a"})({"a": [1, 2, 3]})
    with pytest.raises(ExpressionError, match="20 bytes"):
        engine.compile("a", {"a"})({"a": "x" * 30})
    with pytest.raises(ExpressionError, match="9 bytes"):
        engine.compile("a + a", {"a"})({"a": "12345"})


def test_compiling_again_is_cheap() -> None:
    first = ENGINE.compile("a.x == 1", ["a", "b"])

    assert ENGINE.compile("a.x == 1", {"b", "a"}) is first
    assert ENGINE.compile("a.x == 1", {"a"}) is not first


def test_an_error_leaves_no_trace() -> None:
    for _ in range(3):
        with pytest.raises(ExpressionError):
            value("a.x", a={})
        assert value("a.x", a={"x": 1}) == 1


def test_threads_may_share_an_engine() -> None:
    def work(number: int) -> object:
        return value(f"a.x + {number % 50}", a={"x": number})

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(500))) == [number + number % 50 for number in range(500)]


def test_infinity_is_not_made_of_large_numbers() -> None:
    assert value("a", a=1e308) == 1e308
    assert math.isfinite(float(str(value("a + 0.0", a=1e308))))
