from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmesh_core.domain.expressions import ExpressionError
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.references import parse_expression
from flowmesh_core.domain.templates import may_have_holes, parse_template


def reads(source: str) -> dict[str, set[tuple[str | int, ...]]]:
    found: dict[str, set[tuple[str | int, ...]]] = {}
    for reference in parse_expression(source).references:
        found.setdefault(str(reference), set()).add(reference.path)
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.output.x", {"a": {("output", "x")}}),
        ("a-b.x", {"a-b": {("x",)}}),
        ("a - b.x", {"a": {()}, "b": {("x",)}}),
        ("a.count-1 > 0", {"a": {("count",)}}),
        ('a["x y"].z + 1', {"a": {("x y", "z")}}),
        ("a['k'] + 1", {"a": {("k",)}}),
        ("a.b.c()", {"a": {("b",)}}),
        ("a[b.x] + 1", {"a": {()}, "b": {("x",)}}),
        ("'a.b' + \"c.d\" + r'\\' + '''e.f'''", {}),
        ("1 + 2 // a.b", {}),
        ('r"\\" + a.x + "b.c"', {"a": {("x",)}}),
        ("items.x.all(i, i.a > b.y)", {"items": {("x",)}, "b": {("y",)}}),
        ("items.map(i, i.map(j, j + i)) == i.z", {"items": {()}, "i": {("z",)}}),
        ("[1, 2].exists(a, a == 1) && a.x", {"a": {("x",)}}),
        ("size(a.list) > int(b.n) && type(a) == list", {"a": {("list",), ()}, "b": {("n",)}}),
        ("has(a.output.x) ? input.y : null", {"a": {("output", "x")}, "input": {("y",)}}),
        ('nodes["a-b"].output.x + nodes.c.y', {"a-b": {("output", "x")}, "c": {("y",)}}),
        ('{"k": a.x, b.y: 1}', {"a": {("x",)}, "b": {("y",)}}),
        (".a.x + (b).y", {"a": {("x",)}, "b": {()}}),
        ("true && false", {}),
        ("x in [a]", {"x": {()}, "a": {()}}),
    ],
)
def test_references_are_found(source: str, expected: dict[str, set[tuple[str, ...]]]) -> None:
    assert reads(source) == expected


@pytest.mark.parametrize("source", ["nodes", "nodes[input.x]", "nodes[0].x", 'size(nodes) + nodes["a"].x'])
def test_nodes_has_to_be_fixed(source: str) -> None:
    with pytest.raises(ExpressionError, match="needs the id"):
        parse_expression(source)


def test_a_question_is_told_from_a_reading() -> None:
    expression = parse_expression("has(a.x) ? b.x : 1")

    assert {str(each): each.is_test for each in expression.references} == {"a": True, "b": False}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ a.x", "never closed"),
        ("{{ a.x }", "never closed"),
        ("a.x }}", "closes nothing"),
        ("{ a.x }}", "closes nothing"),
        ("{{ a.x }} }}", "closes nothing"),
        ("{{ a.x }} {{", "never closed"),
        ("{{ a } }}", "never closed"),
        ('{{ "a }}', "never closed"),
        ("{{}}", "empty"),
        ("{{  }}", "empty"),
        ("{{ nodes[input.x].y }}", "needs the id"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, words: str) -> None:
    template = parse_template({"list": [1, {"k": text}]})

    assert [fault.path for fault in template.faults] == ["config.list[1].k"]
    assert words in template.faults[0].message


def test_keys_are_not_templates() -> None:
    assert [fault.path for fault in parse_template({"{{ a.x }}": 1}).faults] == ['config["{{ a.x }}"]']


@pytest.mark.parametrize(
    "text", ["", "{", "}", "{ }", '{"a":{"b":{}}}', "{a}{b}", "} {", "query { user { id } }"]
)
def test_text_without_holes_is_text(text: str) -> None:
    template = parse_template([text])

    assert not template.faults
    assert not list(template.holes)


@given(st.text(alphabet='{} a."\\'))
def test_any_text_is_a_template_or_has_a_fault(text: str) -> None:
    template = parse_template(text)

    assert template.faults or all(hole.path == "config" for hole in template.holes)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text",
    [
        "{" * 250_000, "}" * 250_000, "{{" + "{" * 250_000, "{{ '''" * 40_000, '{{ "' * 60_000,
        "{{ a.x }}" * 28_000, "{{" + '"\\' * 120_000, "{{ r'''" * 35_000, "{ }" * 80_000 + "}}",
    ],
)  # fmt: skip
def test_hostile_texts_are_read_in_linear_time(text: str) -> None:
    parse_template([text])


@pytest.mark.parametrize(
    "data", [b'{"a": "{{ b.c }}"}', b'"\\u007b\\u007b b.c }}"', b'"\\u007B{ b.c }"', b'"}}"']
)
def test_holes_are_seen_however_they_are_escaped(data: bytes) -> None:
    assert may_have_holes(Payload(data))
    assert not may_have_holes(Payload(data, "text/plain"))


@pytest.mark.timeout(10)
@pytest.mark.parametrize("unit", ['"\\', "'''", "a ", "(", "a.b(", "a.", "+ a", "'"])
def test_hostile_expressions_are_read_in_linear_time(unit: str) -> None:
    parse_expression(unit * 50_000)


def test_loops_are_not_nested_without_end() -> None:
    with pytest.raises(ExpressionError, match="more than 32 loops"):
        parse_expression("a.all(x, " * 50_000)


def test_most_configs_need_no_look() -> None:
    assert not may_have_holes(Payload(b'{"a": {"b": {"c": 1} } }'))
