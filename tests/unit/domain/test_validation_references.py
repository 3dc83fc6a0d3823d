"""Which ancestors may be missing when a node runs."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmesh_core.domain.workflow import Node
from tests.unit.domain.workflows import node, problems, violations

MAYBE = "input.flag"
POSSIBLY_SKIPPED = "POSSIBLY_SKIPPED"


def use(node_id: str, *dependencies: str, of: str) -> Node:
    return node(node_id, *dependencies, config=f"{{{{ {of} }}}}")


@pytest.mark.parametrize(
    "nodes",
    [
        [node("a", condition=MAYBE), use("b", "a", of="a.x")],
        [node("a", condition=MAYBE), node("b", "a"), use("c", "b", of="a.x")],
        [
            node("a", condition=MAYBE),
            node("b", "a"),
            node("c", "a"),
            use("d", "b", "c", of="b.x + a.x + c.x"),
        ],
        [
            node("a", condition=MAYBE),
            node("b", "a"),
            node("c", "b", condition=MAYBE),
            use("d", "c", of="b.x"),
        ],
        [node("a"), node("b", "a", condition=MAYBE), use("c", "a", "b", of="a.x")],
        [node("a", condition=MAYBE), node("x"), node("b", "a", "x"), use("c", "b", "x", of="b.x")],
    ],
)
def test_an_ancestor_without_which_the_node_cannot_run_is_there(nodes: list[Node]) -> None:
    assert not problems(*nodes)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("a", condition=MAYBE), node("x"), use("b", "a", "x", of="a.y")],
        [node("a", condition=MAYBE), node("x", condition=MAYBE), use("b", "a", "x", of="a.y")],
        [node("a", condition=MAYBE), node("x"), node("b", "a", "x"), use("c", "b", of="a.y")],
        [node("a", condition=MAYBE), node("b", "a"), node("x"), use("c", "b", "x", of="b.y")],
        [node("a", condition=MAYBE), node("x"), use("b", "a", "x", of="[a.y]")],
    ],
)
def test_an_ancestor_that_may_have_been_skipped_is_not(nodes: list[Node]) -> None:
    assert problems(*nodes) == [(f"dag.nodes[{len(nodes) - 1}].config", POSSIBLY_SKIPPED)]


@pytest.mark.parametrize("of", ["has(a.output) ? a.y : 0", "has(a.y) ? a.y : 0", 'has(nodes["a"].y) || a.y'])
def test_has_makes_it_safe(of: str) -> None:
    assert not problems(node("a", condition=MAYBE), node("x"), use("b", "a", "x", of=of))


@pytest.mark.parametrize(
    ("node_id", "shown"),
    [
        ("a", "has(a.output)"),
        ("a-b", 'has(nodes["a-b"].output)'),
        ("list", 'has(nodes["list"].output)'),
        ("if", 'nodes["if"]'),
    ],
)
def test_the_way_out_is_spelled_so_that_it_can_be_copied(node_id: str, shown: str) -> None:
    found = violations(node(node_id, condition=MAYBE), node("x"), use("y", node_id, "x", of=f"{node_id}.z"))

    assert shown in found[0].description
    fixed = found[0].description.partition("{{ ")[2].replace("… : …", f"nodes['{node_id}'].z : 0")
    config = f"{{{{ {fixed}"
    assert not problems(node(node_id, condition=MAYBE), node("x"), node("y", node_id, "x", config=config))


def test_has_of_another_node_does_not() -> None:
    nodes = [node("a", condition=MAYBE), node("c", condition=MAYBE), node("x")]
    last = use("b", "a", "c", "x", of="has(c.y) ? a.y : c.y")

    assert problems(*nodes, last) == [("dag.nodes[3].config", POSSIBLY_SKIPPED)]


class Graph(NamedTuple):
    parents: list[list[int]]
    conditional: list[bool]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(2, 7))
    parents = [
        sorted(draw(st.sets(st.integers(0, child - 1), max_size=3))) if child else []
        for child in range(count)
    ]
    return Graph(parents, draw(st.lists(st.booleans(), min_size=count, max_size=count)))


@given(graphs())
def test_it_is_exactly_what_trying_all_outcomes_says(graph: Graph) -> None:
    count = len(graph.parents)
    nodes = [
        node(
            f"n{i}",
            *(f"n{p}" for p in graph.parents[i]),
            condition=MAYBE if graph.conditional[i] else "",
            config=[f"{{{{ n{target}.x }}}}" for target in range(count)],
        )
        for i in range(count)
    ]

    assert problems(*nodes) == sorted(
        (f"dag.nodes[{i}].config[{target}]", reason)
        for i in range(count)
        for target in range(count)
        if (reason := _expected(graph, i, target))
    )


def _expected(graph: Graph, reader: int, target: int) -> str:
    if target not in _ancestors(graph, reader):
        return "NOT_AN_ANCESTOR"
    for outcome in product([False, True], repeat=len(graph.parents)):
        completed: list[bool] = []
        for above, conditional, holds in zip(graph.parents, graph.conditional, outcome, strict=True):
            fires = not above or any(completed[p] for p in above)
            completed.append(fires and (holds or not conditional))
        fires = not graph.parents[reader] or any(completed[p] for p in graph.parents[reader])
        if fires and not completed[target]:
            return POSSIBLY_SKIPPED
    return ""


def _ancestors(graph: Graph, reader: int) -> set[int]:
    found: set[int] = set()
    pending = list(graph.parents[reader])
    while pending:
        current = pending.pop()
        if current not in found:
            found.add(current)
            pending.extend(graph.parents[current])
    return found


@pytest.mark.timeout(30)
@pytest.mark.parametrize("distance", [1, 2, 10_000])
def test_long_chains_of_references_are_judged_in_linear_time(distance: int) -> None:
    count = 30_000
    first = node("n0", condition=MAYBE)
    rest = (use(f"n{i}", f"n{i - 1}", of=f"n{max(0, i - distance)}.x") for i in range(1, count))

    assert not problems(first, *rest)
