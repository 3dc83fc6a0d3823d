"""Small workflows, written briefly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flowmesh_core.adapters.cel import CelExpressionEngine
from flowmesh_core.domain.expressions import MISSING
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.validation import validate
from flowmesh_core.domain.workflow import Node, Workflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowmesh_core.domain.errors import FieldViolation

compile_expression = CelExpressionEngine().compile


def node(node_id: str, *dependencies: str, config: object = None, condition: str = "") -> Node:
    payload = None if config is None else Payload(json.dumps(config).encode())
    return Node(node_id, "handler", dependencies, payload, condition)


def workflow(*nodes: Node) -> Workflow:
    return Workflow("flow", nodes)


def violations(*nodes: Node, limits: Limits | None = None) -> tuple[FieldViolation, ...]:
    return validate(workflow(*nodes), limits or Limits(), compile_expression)


def problems(*nodes: Node, limits: Limits | None = None) -> list[tuple[str, str]]:
    """The field and reason of each violation, sorted."""
    return sorted((each.field, each.reason) for each in violations(*nodes, limits=limits))


class Values:
    """A scope of fixed values."""

    def __init__(self, given: object = None, outputs: Mapping[int, object] | None = None) -> None:
        self._given = given
        self._outputs = outputs or {}

    def input(self) -> object:
        return self._given

    def output(self, node: int) -> object:
        return self._outputs.get(node, MISSING)
