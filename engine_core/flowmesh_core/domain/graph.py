"""A validated workflow, prepared for deciding: edges as indices, templates compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Never

from flowmesh_core.domain.evaluation import Evaluator
from flowmesh_core.domain.expressions import CompileExpression, ExpressionError, Scope
from flowmesh_core.domain.json_text import JsonError, json_type, read_json
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import RetryPolicy, Timeouts
from flowmesh_core.domain.references import Expression, parse_expression
from flowmesh_core.domain.templates import Hole, Template, may_have_holes, parse_template
from flowmesh_core.domain.workflow import Workflow

_EMPTY_CONFIG = Payload(b"{}")

Condition = Callable[[Scope], bool]
"""Says whether a node runs. Raises `ExpressionError`."""

Resolve = Callable[[Scope], Payload]
"""Makes the input of a handler. Raises `ExpressionError`."""


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """One node, with everything that deciding about it needs.

    Attributes:
        id: Its id in the workflow.
        handler: What workers call it.
        parents: The indices of its dependencies, in the user's order.
        children: The indices of the nodes that depend on it, ascending.
        retry_policy: How failed attempts are tried again.
        timeouts: The time limits of an attempt.
        runs: Its condition; None means that it always runs.
        resolve: Makes its input; a config without templates is returned as it is, at no cost.
    """

    id: str
    handler: str
    parents: tuple[int, ...]
    children: tuple[int, ...]
    retry_policy: RetryPolicy
    timeouts: Timeouts
    runs: Condition | None
    resolve: Resolve


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes of a workflow by index, which is their position in the definition.

    Attributes:
        workflow_name: The name of the workflow.
        digest: The digest of its definition.
        nodes: The nodes by index.
        index: The index of each node id.
        referenced: The nodes whose outputs a template or condition reads.
    """

    workflow_name: str
    digest: str
    nodes: tuple[PlannedNode, ...]
    index: Mapping[str, int]
    referenced: frozenset[int]


def plan_graph(
    workflow: Workflow,
    digest: str,
    compile_expression: CompileExpression,
    maximum_input_bytes: int = Limits().input_bytes,
) -> Graph:
    """Prepare a workflow that `validate` found nothing wrong with.

    An expression that was sound once and is not any more, because its rules changed since,
    fails its node when that is decided, and no other.
    """
    index = {node.id: position for position, node in enumerate(workflow.nodes)}
    parents = [tuple(index[parent] for parent in node.dependencies) for node in workflow.nodes]
    children = _children(parents)
    planner = _Planner(Evaluator(index, compile_expression), maximum_input_bytes)
    nodes = tuple(
        PlannedNode(
            id=node.id,
            handler=node.handler,
            parents=parents[position],
            children=tuple(children[position]),
            retry_policy=node.retry_policy,
            timeouts=node.timeouts,
            runs=planner.condition(node.condition) if node.condition else None,
            resolve=planner.resolve(node.config or _EMPTY_CONFIG),
        )
        for position, node in enumerate(workflow.nodes)
    )
    return Graph(workflow.name, digest, nodes, MappingProxyType(index), frozenset(planner.referenced))


def _children(parents: list[tuple[int, ...]]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in parents]
    for position, its_parents in enumerate(parents):
        for parent in its_parents:
            children[parent].append(position)
    return children


class _Planner:
    """Prepares conditions and configs, and collects whose outputs they read."""

    def __init__(self, evaluator: Evaluator, maximum_input_bytes: int) -> None:
        self._evaluator = evaluator
        self._maximum_input_bytes = maximum_input_bytes
        self.referenced: set[int] = set()

    def condition(self, source: str) -> Condition:
        try:
            expression = parse_expression(source)
        except ExpressionError as error:
            return _failing(f"the condition is not valid any more: {error}")
        self._note(expression)
        evaluator = self._evaluator

        def runs(scope: Scope) -> bool:
            value = evaluator.value(expression, scope)
            if isinstance(value, bool):
                return value
            raise ExpressionError(f"the condition is not true or false but {json_type(value)}")

        return runs

    def resolve(self, config: Payload) -> Resolve:
        if not may_have_holes(config):
            return _constant(config)
        try:
            template = parse_template(read_json(config.data))
        except JsonError as error:
            return _failing(f"the config is not valid any more: {error}")
        if template.faults:
            first = template.faults[0]
            return _failing(f"the config is not valid any more: {first.path}: {first.message}")
        holes = tuple(template.holes)
        for hole in holes:
            self._note(hole.expression)
        return self._filled(config, template) if holes else _constant(config)

    def _filled(self, config: Payload, template: Template) -> Resolve:
        evaluator, maximum_bytes = self._evaluator, self._maximum_input_bytes

        def resolve(scope: Scope) -> Payload:
            data = template.fill(lambda hole: _value(evaluator, hole, scope), maximum_bytes)
            return Payload(data, config.content_type, config.metadata)

        return resolve

    def _note(self, expression: Expression) -> None:
        names = (reference.node for reference in expression.references)
        self.referenced.update(self._evaluator.index[name] for name in names if name is not None)


def _value(evaluator: Evaluator, hole: Hole, scope: Scope) -> object:
    try:
        return evaluator.value(hole.expression, scope)
    except ExpressionError as error:
        raise ExpressionError(f"{hole.path}: {error}") from error


def _constant(payload: Payload) -> Resolve:
    return lambda _scope: payload


def _failing(words: str) -> Callable[[Scope], Never]:
    def fail(_scope: Scope) -> Never:
        raise ExpressionError(words)

    return fail
