"""Workflows as users define them."""

from __future__ import annotations

from dataclasses import dataclass

from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import RetryPolicy, Timeouts


@dataclass(frozen=True, slots=True)
class Node:
    """One task of the graph; see `Node` in workflow.proto.

    Attributes:
        id: Unique within the workflow.
        handler: What workers call it.
        dependencies: The ids of the nodes that must end first, in the user's order.
        config: What the handler receives, as JSON with templates; None means `{}`.
        condition: A CEL expression; empty means true.
    """

    id: str
    handler: str
    dependencies: tuple[str, ...] = ()
    config: Payload | None = None
    condition: str = ""
    retry_policy: RetryPolicy = RetryPolicy()
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class Workflow:
    """A named directed acyclic graph of tasks."""

    name: str
    nodes: tuple[Node, ...]
