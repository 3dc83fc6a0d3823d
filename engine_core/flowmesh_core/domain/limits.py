"""How large a workflow may be."""

from __future__ import annotations

from dataclasses import dataclass

from flowmesh_core.domain.identity import MAXIMUM_ID_LENGTH
from flowmesh_core.domain.time import SECOND, Micros

KIB = 1024
MIB = 1024 * KIB
DAY = Micros(24 * 60 * 60 * SECOND)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that workflows are validated against.

    Attributes:
        nodes: Nodes of a workflow.
        edges: Dependencies of all nodes together.
        id_length: Characters of the name of a workflow, of the id of a node and of a handler.
        config_bytes: The config of one node, before its templates are resolved.
        workflow_bytes: The configs of all nodes together.
        input_bytes: The config of one node after its templates are resolved, which is what a
            handler receives. Leaves room in the 4 MiB that gRPC clients accept by default.
        execution_input_bytes: What an execution is started with.
        references: References to nodes and the input in the templates and condition of one node.
        expressions: Different CEL expressions of a workflow; plain paths do not count.
        expression_bytes: A condition, or the source of CEL in a template.
        start_to_close: The longest time limit of an attempt.
        retry_interval: The longest wait before a retry.
        attempts: The most attempts of a node.
        violations: How many problems are named; the last one says how many more there are.
    """

    nodes: int = 100_000
    edges: int = 1_000_000
    id_length: int = MAXIMUM_ID_LENGTH
    config_bytes: int = 256 * KIB
    workflow_bytes: int = 64 * MIB
    input_bytes: int = MIB
    execution_input_bytes: int = 4 * MIB
    references: int = 1_000
    expressions: int = 10_000
    expression_bytes: int = 4 * KIB
    start_to_close: Micros = Micros(30 * DAY)
    retry_interval: Micros = Micros(30 * DAY)
    attempts: int = 10_000
    violations: int = 1_000
