from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from flowmesh_core.domain.expressions import ExpressionError
from flowmesh_core.domain.graph import plan_graph
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.workflow import Node, Workflow
from tests.unit.domain.json_values import JSON_VALUES
from tests.unit.domain.workflows import Values, compile_expression, node, workflow

if TYPE_CHECKING:
    from flowmesh_core.domain.graph import Graph

FETCHED = {"user": {"id": 7, "first name": "Ada"}, "items": [{"x": 1.5}], "output": "own", "flag": True}


def graph_of(*nodes: Node, maximum_input_bytes: int = 1024 * 1024) -> Graph:
    return plan_graph(workflow(*nodes), "digest", compile_expression, maximum_input_bytes)


def resolved(config: object, *, given: object = None, fetched: object = None) -> object:
    graph = graph_of(node("my-fetch"), node("fetch"), node("use", "fetch", "my-fetch", config=config))
    outputs = {0: {"a": 1}} if fetched is None else {0: {"a": 1}, 1: fetched}
    payload = graph.nodes[2].resolve(Values(given, outputs))
    return json.loads(payload.data)


def test_edges_become_indices() -> None:
    graph = graph_of(node("c", "b", "a"), node("a"), node("b", "a"))

    assert [each.parents for each in graph.nodes] == [(2, 1), (), (1,)]
    assert [each.children for each in graph.nodes] == [(), (0, 2), (0,)]
    assert graph.index == {"c": 0, "a": 1, "b": 2}


def test_a_config_without_holes_is_passed_on_as_it_is() -> None:
    config = Payload(b'{ "a" : 1.10 , "b": "}" }', metadata=(("k", "v"),))
    graph = plan_graph(Workflow("w", (Node("a", "h", config=config),)), "d", compile_expression)

    assert graph.nodes[0].resolve(Values()) is config


def test_a_config_that_is_not_json_is_never_looked_at() -> None:
    config = Payload(b"{{ \xff", "application/octet-stream")
    graph = plan_graph(Workflow("w", (Node("a", "h", config=config),)), "d", compile_expression)

    assert graph.nodes[0].resolve(Values()) is config


def test_no_config_is_an_empty_object() -> None:
    assert graph_of(node("a")).nodes[0].resolve(Values()) == Payload(b"{}")


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ fetch.output.user.id }}", 7),
        ("{{fetch.user.id}}", 7),
        ('{{ fetch.output.user["first name"] }}', "Ada"),
        ("{{ fetch.items[0].x }}", 1.5),
        ("{{ fetch.items[0] }}", {"x": 1.5}),
        ("{{ fetch.output.output }}", "own"),
        ("{{ fetch.output }}", FETCHED),
        ("{{ fetch }}", FETCHED),
        ("{{ my-fetch.a }}", 1),
        ('{{ nodes["my-fetch"].output.a }}', 1),
        ('{{ nodes["my-fetch"].a + 1 }}', 2),
        ('{{ nodes["fetch"].output.user.id + fetch.user.id }}', 14),
        ("{{ fetch.user.id > 6 && fetch.flag }}", True),
        ("{{ size(fetch.output.items) }}", 1),
        ("{{ fetch.items.map(i, i.x + 1.0) }}", [2.5]),
        ("{{ input }}", {"fetch": "given"}),
        ("{{ input.fetch }}", "given"),
        ('{{ input.fetch + "!" }}', "given!"),
        ('{{ has(fetch.nothing) ? fetch.nothing : "default" }}', "default"),
        ("{{ has(fetch.output) }}", True),
        ('{{ {"a": {"b": fetch.user.id}} }}', {"a": {"b": 7}}),
        ("user {{ fetch.user.id }}/{{ fetch.flag }}: {{ input }}", 'user 7/true: {"fetch":"given"}'),
        ("{{ input.fetch }} and {{ input.fetch }}", "given and given"),
        (" {{ fetch.user.id }}", " 7"),
        ('{{ "{{" }} x {{ "}}" }}', "{{ x }}"),
        ('{"a":{"b":"{{ fetch.user.id }}"}}', '{"a":{"b":"7"}}'),
    ],
)
def test_holes_become_values(template: str, value: object) -> None:
    config = {"deep": [{"er": template}], "plain": 1}

    result = resolved(config, given={"fetch": "given"}, fetched=FETCHED)

    assert result == {"deep": [{"er": value}], "plain": 1}


@given(JSON_VALUES)
def test_a_lone_hole_yields_exactly_the_value(value: object) -> None:
    config = {"z": "{{ fetch.v }}", "a": ["{{ input }}"], "2": 2**70}

    result = resolved(config, given=value, fetched={"v": value})

    assert repr(result) == repr({"z": value, "a": [value], "2": 2**70})


@given(JSON_VALUES)
def test_values_in_text_are_text(value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    assert resolved("<{{ input.v }}>", given={"v": value}) == f"<{text}>"


CORPUS = [
    '"', '\\"', "\\", "'; DROP TABLE x; --", '", "admin": true, "x": "', "{{ input.secret }}", "}}{{", "{{",
    "}}", '{{ "{{" }}', "==", "a == b", "${jndi:ldap://x}", "{% raw %}", "\u202e", "\N{PILE OF POO}",
    "\n\r\t", "</script>", "__class__.__mro__", "true", "null", "1e999", '{"a":1}', "{{{{{{", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("hostile", CORPUS)
@pytest.mark.parametrize("template", ["{{ input.v }}", "a{{ input.v }}b", '{{ input.v + "" }}'])
def test_what_a_hole_becomes_is_never_syntax(hostile: str, template: str) -> None:
    given = {"v": hostile, "secret": "s3cret"}

    result = resolved({"x": template, "admin": False}, given=given)

    text = f"a{hostile}b" if template.startswith("a") else hostile
    assert result == {"x": text, "admin": False}


@pytest.mark.parametrize("hostile", CORPUS)
def test_hostile_keys_are_keys(hostile: str) -> None:
    key = json.dumps(hostile)

    assert resolved([f"{{{{ input[{key}] }}}}"], given={hostile: 1}) == [1]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ fetch.output.user.nope }}", "config.x: `fetch.output.user.nope`: there is no 'nope'"),
        ("{{ fetch.items[3] }}", "there is no item 3 in fetch.output.items"),
        ("{{ fetch.user.id.x }}", "there is no 'x' in fetch.output.user.id"),
        ("{{ input.nope }}", "there is no 'nope' in input"),
        ("{{ use-not.x }}", "node 'use-not' did not complete"),
        ("{{ fetch.nope + 1 }}", "`fetch.nope + 1`: Key not found"),
        ("{{ has(nodes['use-not'].output) ? 1 : nodes['use-not'].output.x }}", "Key not found"),
        ("{{ 1 / 0 }}", "divide by zero"),
        ("x{{ input.nope }}", "config.x: `input.nope`"),
    ],
)  # fmt: skip
def test_a_missing_value_is_an_error_that_names_it(template: str, words: str) -> None:
    graph = graph_of(node("use-not"), node("fetch"), node("use", "fetch", config={"x": template}))

    with pytest.raises(ExpressionError) as caught:
        graph.nodes[2].resolve(Values({}, {1: FETCHED}))

    assert words in str(caught.value)


@pytest.mark.timeout(5)
def test_a_small_template_cannot_make_a_large_input() -> None:
    graph = graph_of(node("a", config=["{{ input.v }} {{ input.v }}"] * 250))

    with pytest.raises(ExpressionError, match="over 1,048,576 bytes"):
        graph.nodes[0].resolve(Values({"v": "x" * 200_000}))


def test_the_limit_on_inputs_counts_bytes() -> None:
    graph = graph_of(node("a", config="{{ input }}"), maximum_input_bytes=10)

    assert graph.nodes[0].resolve(Values("\N{EURO SIGN}\N{EURO SIGN}")).data == '"€€"'.encode()
    with pytest.raises(ExpressionError, match="over 10 bytes"):
        graph.nodes[0].resolve(Values("\N{EURO SIGN}\N{EURO SIGN}\N{EURO SIGN}"))


def test_text_with_a_nul_passes_through_paths_only() -> None:
    given = {"v": "a\0b"}

    assert resolved(["{{ input.v }}", "<{{ input.v }}>"], given=given) == ["a\0b", "<a\0b>"]
    with pytest.raises(ExpressionError, match="NUL"):
        resolved('{{ input.v == "a" }}', given=given)


def test_conditions_are_true_or_false_or_an_error() -> None:
    graph = graph_of(node("a", condition="input.n > 3"), node("b", condition="input.n"), node("c"))
    is_more, is_number, always = (each.runs for each in graph.nodes)

    assert is_more is not None
    assert is_number is not None
    assert always is None
    assert [is_more(Values({"n": n})) for n in (3, 4, 3.5, 10.0)] == [False, True, True, True]
    assert is_number(Values({"n": True})) is True
    with pytest.raises(ExpressionError, match="not true or false but a number"):
        is_number(Values({"n": 1}))


def test_a_skipped_ancestor_is_an_empty_map() -> None:
    graph = graph_of(node("a"), node("b", "a", condition="has(a.output) || has(a.x)"))
    runs = graph.nodes[1].runs

    assert runs is not None
    assert runs(Values()) is False
    assert runs(Values(outputs={0: None})) is True


def test_only_nodes_that_are_read_are_referenced() -> None:
    graph = graph_of(
        node("a"),
        node("b", "a"),
        node("c", "b", config=["{{ a.x }} {{ input.b }}"]),
        node("d", "c", condition='nodes["c"].output == 1'),
    )

    assert graph.referenced == {0, 2}


def test_an_expression_sees_only_the_parts_it_reads() -> None:
    output = {"count": 5, "rows": list(range(100_000)), "big": 2**80}
    graph = graph_of(node("a"), node("b", "a", condition="a.output.count > 3 && a.count < 10"))
    runs = graph.nodes[1].runs

    assert runs is not None
    assert runs(Values(outputs={0: output})) is True


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"condition": "nodes.size() > 1"}, "the condition is not valid any more: `nodes` needs the id"),
        ({"config": {"a": ["{{ fetch.x"]}}, "the config is not valid any more: config.a[0]: unbalanced"),
        ({"config": {"a": "{{ nodes }}"}}, "the config is not valid any more: config.a: `nodes` needs"),
    ],
    ids=["condition", "braces", "expression"],
)
def test_rules_that_changed_fail_the_node_that_they_concern(fields: dict[str, Any], words: str) -> None:
    fetch, use = graph_of(node("fetch"), node("use", "fetch", **fields)).nodes

    assert fetch.resolve(Values()) == Payload(b"{}")
    with pytest.raises(ExpressionError, match=re.escape(words)):
        (use.runs or use.resolve)(Values())


def test_a_config_that_is_not_json_any_more_fails_its_node() -> None:
    config = Payload(b'{"a": "{{ fetch }}", "a": 1}')
    graph = plan_graph(Workflow("w", (Node("a", "h", config=config),)), "d", compile_expression)

    with pytest.raises(ExpressionError, match=r"the config is not valid any more: .*twice"):
        graph.nodes[0].resolve(Values())
