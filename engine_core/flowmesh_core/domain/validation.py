"""Whether a workflow can run: every problem at once.

Reasons, which programs may rely on:

```
REQUIRED              a name, id or handler is missing
MALFORMED_NAME        the name of the workflow has other characters or is too long
MALFORMED_ID          so has the id of a node
MALFORMED_HANDLER     so has a handler
RESERVED_ID           the id of a node is a word of templates: input, nodes
EMPTY_GRAPH           there are no nodes
DUPLICATE_NODE        two nodes have the same id
UNKNOWN_DEPENDENCY    a dependency is not a node
SELF_DEPENDENCY       a node depends on itself
DUPLICATE_DEPENDENCY  a dependency is named twice
CYCLE                 nodes wait for each other; one per group of such nodes
BAD_JSON              a config is not strict JSON
BAD_TEMPLATE          a template has unbalanced or empty braces
BAD_EXPRESSION        an expression of CEL does not compile
UNKNOWN_REFERENCE     an expression reads what is not a node
NOT_AN_ANCESTOR       an expression reads a node that need not have ended by then
POSSIBLY_SKIPPED      an expression reads a node that may have been skipped, without `has`
LIMIT_EXCEEDED        something is larger than the limits allow
OUT_OF_RANGE          a number or duration of a policy makes no sense
TOO_MANY_VIOLATIONS   stands last for the problems that are not named
```

A workflow with more nodes or edges than allowed is not looked at further. While
a graph has cycles, what is an ancestor is not known and not complained about.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowmesh_core.domain.cycles import find_cycles, topological_order
from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.expressions import CompileExpression
from flowmesh_core.domain.identity import NAME_PATTERN
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.validation_nodes import NodeChecker, too_long
from flowmesh_core.domain.validation_references import ReferenceChecker
from flowmesh_core.domain.violations import Violations
from flowmesh_core.domain.workflow import Node, Workflow

_SPELLED_OUT = 20
"""How many nodes of a cycle are named."""


def validate(
    workflow: Workflow, limits: Limits, compile_expression: CompileExpression
) -> tuple[FieldViolation, ...]:
    """Return everything that is wrong with a workflow, in linear time; nothing when it can run."""
    violations = Violations(limits.violations)
    _check_name(workflow.name, limits, violations)
    if _is_sized(workflow.nodes, limits, violations):
        _check_graph(workflow.nodes, limits, compile_expression, violations)
    return violations.all()


def _check_name(name: str, limits: Limits, violations: Violations) -> None:
    if not name:
        violations.add("name", "a workflow needs a name", "REQUIRED")
    elif not NAME_PATTERN.fullmatch(name):
        words = "1 to 255 of A-Z a-z 0-9 . _ -, starting with a letter or digit"
        violations.add("name", words, "MALFORMED_NAME")
    elif len(name) > limits.id_length:
        violations.add("name", too_long(name, limits), "LIMIT_EXCEEDED")


def _is_sized(nodes: Sequence[Node], limits: Limits, violations: Violations) -> bool:
    edges = sum(len(node.dependencies) for node in nodes)
    if not nodes:
        violations.add("dag.nodes", "a workflow needs at least one node", "EMPTY_GRAPH")
    if len(nodes) > limits.nodes:
        words = f"{len(nodes):,} nodes, and at most {limits.nodes:,} are allowed"
        violations.add("dag.nodes", words, "LIMIT_EXCEEDED")
    if edges > limits.edges:
        words = f"{edges:,} dependencies, and at most {limits.edges:,} are allowed"
        violations.add("dag.nodes", words, "LIMIT_EXCEEDED")
    return 0 < len(nodes) <= limits.nodes and edges <= limits.edges


def _check_graph(
    nodes: Sequence[Node], limits: Limits, compile_expression: CompileExpression, violations: Violations
) -> None:
    index = _index(nodes, violations)
    parents = [_parents(position, node, index, violations) for position, node in enumerate(nodes)]
    references = ReferenceChecker(index, parents, violations)
    checker = NodeChecker(limits, compile_expression, references, violations)
    for position, node in enumerate(nodes):
        checker.check(position, node)
    order = topological_order(parents)
    if len(order) == len(nodes):
        conditional = {position for position, node in enumerate(nodes) if node.condition}
        references.check_ancestors(order, conditional)
    for cycle in find_cycles(parents, order):
        _add_cycle(nodes, cycle, violations)


def _index(nodes: Sequence[Node], violations: Violations) -> dict[str, int]:
    index: dict[str, int] = {}
    for position, node in enumerate(nodes):
        first = index.setdefault(node.id, position)
        if first != position and node.id:
            words = f"'{node.id}' is the id of dag.nodes[{first}] too"
            violations.add(f"dag.nodes[{position}].id", words, "DUPLICATE_NODE")
    return index


def _parents(position: int, node: Node, index: dict[str, int], violations: Violations) -> list[int]:
    """Return the parents that are sound, so that one problem is not reported as two."""
    parents = [index.get(parent, -1) for parent in node.dependencies]
    if -1 not in parents and position not in parents and len(set(parents)) == len(parents):
        return parents
    sound: dict[int, None] = {}
    for number, (name, parent) in enumerate(zip(node.dependencies, parents, strict=True)):
        field = f"dag.nodes[{position}].dependencies[{number}]"
        if name == node.id:
            violations.add(field, f"'{name}' depends on itself", "SELF_DEPENDENCY")
        elif parent < 0:
            violations.add(field, f"there is no node '{name}'", "UNKNOWN_DEPENDENCY")
        elif parent in sound:
            violations.add(field, f"'{name}' is named twice", "DUPLICATE_DEPENDENCY")
        else:
            sound[parent] = None
    return list(sound)


def _add_cycle(nodes: Sequence[Node], cycle: list[int], violations: Violations) -> None:
    names = [nodes[position].id for position in cycle]
    if len(names) > _SPELLED_OUT:
        left_out = len(names) - _SPELLED_OUT
        names[_SPELLED_OUT - 1 : -1] = [f"({left_out:,} more)"]
    spelled = " → ".join([*names, names[0]])
    number = nodes[cycle[0]].dependencies.index(nodes[cycle[-1]].id)
    violations.add(f"dag.nodes[{cycle[0]}].dependencies[{number}]", spelled, "CYCLE")
