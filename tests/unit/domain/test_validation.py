from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import RetryPolicy, Timeouts
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.validation import validate
from flowmesh_core.domain.workflow import Node, Workflow
from tests.unit.domain.workflows import compile_expression, node, problems, violations

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "REQUIRED"), ("a b", "MALFORMED_NAME"), ("-a", "MALFORMED_NAME"), ("a" * 256, "MALFORMED_NAME")],
)
def test_a_workflow_needs_a_sound_name(name: str, reason: str) -> None:
    found = validate(Workflow(name, (node("a"),)), Limits(), compile_expression)

    assert [(each.field, each.reason) for each in found] == [("name", reason)]


def test_a_workflow_needs_nodes() -> None:
    assert problems() == [("dag.nodes", "EMPTY_GRAPH")]


@pytest.mark.parametrize("node_id", ["a", "A-1_b", "_", "a" * 255, "in", "true", "list"])
def test_ids_that_are_sound(node_id: str) -> None:
    assert not problems(node(node_id))


@pytest.mark.parametrize(
    ("node_id", "reason"),
    [
        ("", "REQUIRED"),
        ("1a", "MALFORMED_ID"),
        ("a.b", "MALFORMED_ID"),
        ("a/b", "MALFORMED_ID"),
        ("../etc", "MALFORMED_ID"),
        ("a b", "MALFORMED_ID"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", "MALFORMED_ID"),
        ("a\n", "MALFORMED_ID"),
        ("a" * 256, "MALFORMED_ID"),
        ("input", "RESERVED_ID"),
        ("nodes", "RESERVED_ID"),
    ],
)
def test_ids_that_are_not(node_id: str, reason: str) -> None:
    assert problems(node(node_id)) == [("dag.nodes[0].id", reason)]


@pytest.mark.parametrize(
    ("handler", "reason"), [("", "REQUIRED"), ("a b", "MALFORMED_HANDLER"), (".a", "MALFORMED_HANDLER")]
)
def test_handlers_have_names(handler: str, reason: str) -> None:
    assert problems(Node("a", handler)) == [("dag.nodes[0].handler", reason)]


def test_edges_are_sound() -> None:
    found = problems(node("a", "a", "nope"), node("b", "a", "c", "a"), node("c"), node("a"))

    assert found == [
        ("dag.nodes[0].dependencies[0]", "SELF_DEPENDENCY"),
        ("dag.nodes[0].dependencies[1]", "UNKNOWN_DEPENDENCY"),
        ("dag.nodes[1].dependencies[2]", "DUPLICATE_DEPENDENCY"),
        ("dag.nodes[3].id", "DUPLICATE_NODE"),
    ]


def test_a_cycle_is_spelled_out_along_the_flow() -> None:
    (found,) = violations(
        node("start"), node("b", "a"), node("c", "b"), node("a", "start", "c"), node("end", "c")
    )

    assert (found.field, found.reason) == ("dag.nodes[1].dependencies[0]", "CYCLE")
    assert found.description == "b → c → a → b"


def test_each_group_of_cycles_is_reported_once_and_shortly() -> None:
    found = violations(
        node("a", "b", "d"), node("b", "a"), node("c", "b"), node("d", "c"),
        node("x", "y"), node("y", "x", "a"),
    )  # fmt: skip

    assert [each.description for each in found] == ["a → b → a", "x → y → x"]


def test_a_long_cycle_is_shortened() -> None:
    (found,) = violations(*(node(f"n{i}", f"n{(i - 1) % 1_000}") for i in range(1_000)))

    assert found.description.startswith("n0 → n1 → n2")
    assert found.description.endswith("n18 → (980 more) → n999 → n0")


@pytest.mark.parametrize(
    ("config", "field", "reason"),
    [
        (b"{", "config", "BAD_JSON"),
        (b"", "config", "BAD_JSON"),
        (b"\xff", "config", "BAD_JSON"),
        (b'{"a": {"x": 1, "x": 2}}', "config.a", "BAD_JSON"),
        (b'{"a": [1, NaN]}', "config.a[1]", "BAD_JSON"),
        (b"[1e999]", "config[0]", "BAD_JSON"),
        (b"[" * 100_000, "config", "BAD_JSON"),
        (b'{"a": {"b": "{{ x"}}', "config.a.b", "BAD_TEMPLATE"),
        (b'["x }}"]', "config[0]", "BAD_TEMPLATE"),
        (b'{"{{ a }}": 1}', 'config["{{ a }}"]', "BAD_TEMPLATE"),
        (b'"{{ 1 + }}"', "config", "BAD_EXPRESSION"),
        (b'"{{ f(1) }}"', "config", "BAD_EXPRESSION"),
        (b'"{{ \\"a\\" + 1 }}"', "config", "BAD_EXPRESSION"),
        (b'"{{ nope.x }}"', "config", "UNKNOWN_REFERENCE"),
        (b'"{{ nope.x + 1 }}"', "config", "UNKNOWN_REFERENCE"),
        (b'"{{ later.x }}"', "config", "NOT_AN_ANCESTOR"),
        (b'"{{ size(later.x) }}"', "config", "NOT_AN_ANCESTOR"),
        (b'"{{ self.x }}"', "config", "NOT_AN_ANCESTOR"),
        (b'"' + b"x" * 256 * 1024 + b'"', "config", "LIMIT_EXCEEDED"),
        (b'"{{ 1' + b" + 1" * 2_000 + b' }}"', "config", "LIMIT_EXCEEDED"),
        (b'["' + b"{{ input.x }}" * 1_001 + b'"]', "config[0]", "LIMIT_EXCEEDED"),
    ],
)
def test_what_can_be_wrong_with_a_config(config: bytes, field: str, reason: str) -> None:
    found = problems(Node("self", "h", config=Payload(config)), node("later", "self"))

    assert found == [(f"dag.nodes[0].{field}", reason)]


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("1 +", "BAD_EXPRESSION"),
        ("a.x ==", "BAD_EXPRESSION"),
        ("nodes[input.x].y", "BAD_EXPRESSION"),
        ("{{ a.x }}", "BAD_EXPRESSION"),
        ("b.x", "UNKNOWN_REFERENCE"),
        ("a.x && b.x", "UNKNOWN_REFERENCE"),
        ("later.x == 1", "NOT_AN_ANCESTOR"),
        ("a" * 4_097, "LIMIT_EXCEEDED"),
    ],
)
def test_what_can_be_wrong_with_a_condition(condition: str, reason: str) -> None:
    found = problems(node("a"), node("n", "a", condition=condition), node("later", "n"))

    assert found == [("dag.nodes[1].condition", reason)]


def test_an_expression_that_does_not_compile_says_where() -> None:
    (found,) = violations(node("a", condition="1 +"))

    assert "Syntax error" in found.description
    assert "1:4" in found.description


def test_references_to_ancestors_however_far_are_sound() -> None:
    config = {"x": "{{ a.v }} {{ b.output }} {{ c.v + a.v }}", "y": ["{{ nodes['a'].v + input.z }}"]}

    assert not problems(
        node("a"), node("b", "a"), node("c", "b"), node("d", "c", config=config, condition="c.ok")
    )


def test_a_config_that_is_not_json_is_not_looked_at() -> None:
    assert not problems(Node("a", "h", config=Payload(b"{{ \xff", "application/octet-stream")))


def test_everything_is_reported_at_once() -> None:
    found = problems(
        Node("", ""),
        node("a", "b", config=["{{ nope.x }}", "{{", "{{ 1 + }}"], condition="&&"),
        node("b", "a", "nope"),
    )

    assert found == sorted(
        [
            ("dag.nodes[0].id", "REQUIRED"),
            ("dag.nodes[0].handler", "REQUIRED"),
            ("dag.nodes[1].config[0]", "UNKNOWN_REFERENCE"),
            ("dag.nodes[1].config[1]", "BAD_TEMPLATE"),
            ("dag.nodes[1].config[2]", "BAD_EXPRESSION"),
            ("dag.nodes[1].condition", "BAD_EXPRESSION"),
            ("dag.nodes[1].dependencies[0]", "CYCLE"),
            ("dag.nodes[2].dependencies[1]", "UNKNOWN_DEPENDENCY"),
        ]
    )


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (Limits(nodes=2), "dag.nodes"),
        (Limits(edges=1), "dag.nodes"),
        (Limits(config_bytes=10), "dag.nodes[1].config"),
        (Limits(workflow_bytes=20), "dag.nodes[2].config"),
        (Limits(references=1), "dag.nodes[2].config"),
        (Limits(expressions=1), "dag.nodes[2].config"),
        (Limits(expression_bytes=7), "dag.nodes[2].config"),
    ],
)
def test_limits_are_settings(limits: Limits, field: str) -> None:
    nodes = (
        node("a", condition="1 == 1"),
        node("b", "a", config="12345678901"),
        node("c", "b", config="{{ b.x + b.y }}"),
    )
    nodes = (nodes[0], replace(nodes[1], condition=""), nodes[2])
    found = problems(*nodes, limits=limits)

    assert (field, "LIMIT_EXCEEDED") in found


def test_the_length_of_names_is_a_setting() -> None:
    names = Workflow("abcd", (Node("abcd", "abcd"), Node("abc", "abc", ("abcd",))))
    found = validate(names, Limits(id_length=3), compile_expression)

    assert [(each.field, each.reason) for each in found] == [
        ("name", "LIMIT_EXCEEDED"),
        ("dag.nodes[0].id", "LIMIT_EXCEEDED"),
        ("dag.nodes[0].handler", "LIMIT_EXCEEDED"),
    ]
    assert found[0].description == "4 characters, and at most 3 are allowed"


def test_the_number_of_problems_is_bounded() -> None:
    found = violations(*(node("a b") for _ in range(50)), limits=Limits(violations=10))

    assert len(found) == 10
    assert (found[-1].reason, found[-1].description) == ("TOO_MANY_VIOLATIONS", "90 more problems")


def test_what_users_send_is_shortened_in_descriptions() -> None:
    long = "x" * 100_000
    found = violations(node("a", long, config={long: "{{"}))

    assert [len(each.description) < 500 and len(each.field) < 500 for each in found] == [True, True]


def test_exactly_as_many_problems_as_allowed_are_all_named() -> None:
    found = violations(*(node(f"a {i}") for i in range(10)), limits=Limits(violations=10))

    assert {each.reason for each in found} == {"MALFORMED_ID"}


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        (RetryPolicy(initial_interval=Micros(0)), ["initial_interval"]),
        (RetryPolicy(maximum_interval=Micros(-1)), ["maximum_interval"]),
        (RetryPolicy(maximum_interval=Micros(40 * 86_400 * SECOND)), ["maximum_interval"]),
        (RetryPolicy(backoff_coefficient=0.5), ["backoff_coefficient"]),
        (RetryPolicy(backoff_coefficient=float("nan")), ["backoff_coefficient"]),
        (RetryPolicy(backoff_coefficient=float("inf")), ["backoff_coefficient"]),
        (RetryPolicy(maximum_attempts=0), ["maximum_attempts"]),
        (RetryPolicy(maximum_lost=-1), ["maximum_lost"]),
        (RetryPolicy(Micros(0), 0), ["backoff_coefficient", "initial_interval"]),
        (RetryPolicy(Micros(1), 1, Micros(1), 1, maximum_lost=0), []),
    ],
)
def test_retry_policies_make_sense(policy: RetryPolicy, fields: list[str]) -> None:
    found = problems(replace(node("a"), retry_policy=policy))

    assert found == [(f"dag.nodes[0].retry_policy.{field}", "OUT_OF_RANGE") for field in fields]


@pytest.mark.parametrize(
    ("timeouts", "fields"),
    [
        (Timeouts(start_to_close=Micros(0)), ["start_to_close"]),
        (Timeouts(start_to_close=Micros(31 * 86_400 * SECOND)), ["start_to_close"]),
        (Timeouts(heartbeat=Micros(-1)), ["heartbeat"]),
        (Timeouts(Micros(1), Micros(1)), []),
    ],
)
def test_time_limits_make_sense(timeouts: Timeouts, fields: list[str]) -> None:
    found = problems(replace(node("a"), timeouts=timeouts))

    assert found == [(f"dag.nodes[0].timeouts.{field}", "OUT_OF_RANGE") for field in fields]


EDGES = st.integers(1, 12).flatmap(
    lambda count: st.lists(
        st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=30, unique=True
    ).map(lambda edges: (count, edges))
)


@given(EDGES)
def test_a_dag_never_has_a_cycle_and_a_cycle_is_one(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = graph
    parents = {child: [p for p, c in edges if c == child and p != child] for child in range(count)}
    nodes = [node(f"n{i}", *(f"n{p}" for p in parents[i])) for i in range(count)]

    found = violations(*nodes)

    assert all(each.reason == "CYCLE" for each in found)
    assert bool(found) == (not _is_acyclic(parents))
    for each in found:
        ring = [int(name[1:]) for name in each.description.split(" → ")]
        assert ring[0] == ring[-1]
        assert all(before in parents[after] for before, after in pairwise(ring))


def _is_acyclic(parents: dict[int, list[int]]) -> bool:
    left = dict(parents)
    while ready := [child for child, above in left.items() if not any(p in left for p in above)]:
        for child in ready:
            del left[child]
    return not left


def _condition(sound: Node) -> tuple[Node, str]:
    return replace(sound, condition="input.x +"), "condition"


def _config(data: bytes, field: str) -> Callable[[Node], tuple[Node, str]]:
    return lambda sound: (replace(sound, config=Payload(data.replace(b"SELF", sound.id.encode()))), field)


def _dependency(name: str) -> Callable[[Node], tuple[Node, str]]:
    def plant(sound: Node) -> tuple[Node, str]:
        dependencies = (*sound.dependencies, name.replace("SELF", sound.id))
        return replace(sound, dependencies=dependencies), f"dependencies[{len(sound.dependencies)}]"

    return plant


FAULTS: dict[str, Callable[[Node], tuple[Node, str]]] = {
    "REQUIRED": lambda sound: (replace(sound, handler=""), "handler"),
    "MALFORMED_HANDLER": lambda sound: (replace(sound, handler="a b"), "handler"),
    "UNKNOWN_DEPENDENCY": _dependency("x"),
    "SELF_DEPENDENCY": _dependency("SELF"),
    "BAD_JSON": _config(b"{", "config"),
    "BAD_TEMPLATE": _config(b'["{{"]', "config[0]"),
    "BAD_EXPRESSION": _condition,
    "UNKNOWN_REFERENCE": _config(b'{"a":[0,"{{ x.y }}"]}', "config.a[1]"),
    "NOT_AN_ANCESTOR": _config(b'{"a":"{{ SELF.y }}"}', "config.a"),
}


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(sorted(FAULTS))), unique_by=lambda planted: planted[0]
    )
)
def test_exactly_the_planted_faults_are_found(planted: list[tuple[int, str]]) -> None:
    nodes = [node(f"n{i}", *(f"n{p}" for p in range(i))) for i in range(10)]
    expected = []
    for position, reason in planted:
        nodes[position], field = FAULTS[reason](nodes[position])
        expected.append((f"dag.nodes[{position}].{field}", reason))

    assert problems(*nodes) == sorted(expected)


@pytest.mark.timeout(30)
def test_the_largest_workflows_are_validated_in_seconds() -> None:
    nodes = tuple(node(f"n{i}", *(f"n{p}" for p in range(max(0, i - 10), i))) for i in range(100_000))

    assert not problems(*nodes)
