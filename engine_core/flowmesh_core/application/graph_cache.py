"""Planned graphs, kept because many executions share one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import partial

from flowmesh_core.application.bounded_cache import BoundedCache
from flowmesh_core.domain.expressions import CompileExpression
from flowmesh_core.domain.graph import Graph, plan_graph
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.workflow_store import WorkflowStore

_PLANNED_ON_THE_LOOP = 1_000
"""Nodes of the largest workflow that is planned without a thread."""

Definition = tuple[str, str]
"""(namespace, digest)"""


class GraphCache:
    """Keeps the graphs used last, up to a total of nodes, which is where the memory is."""

    def __init__(
        self,
        store: WorkflowStore,
        compile_expression: CompileExpression,
        *,
        maximum_nodes: int = 1_000_000,
        maximum_input_bytes: int = Limits().input_bytes,
    ) -> None:
        """Keep graphs with at most `maximum_nodes` in all, that make inputs of at most so many bytes."""
        self._store = store
        self._compile = compile_expression
        self._maximum_input_bytes = maximum_input_bytes
        self._graphs: BoundedCache[Definition, Graph] = BoundedCache(maximum_nodes)

    async def get_many(self, wanted: Collection[Definition]) -> Mapping[Definition, Graph]:
        """Return the graphs of these definitions, with one query for all that are not kept.

        A definition that is not stored is left out.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        found = {key: graph for key in set(wanted) if (graph := self._graphs.get(key)) is not None}
        missing = [key for key in set(wanted) if key not in found]
        if missing:
            found.update(await self._load(missing))
        return found

    async def _load(self, missing: Collection[Definition]) -> dict[Definition, Graph]:
        loaded = {}
        for key, workflow in (await self._store.definitions(missing)).items():
            graph = await self._plan(workflow, key[1])
            self._graphs.put(key, graph, weight=len(graph.nodes))
            loaded[key] = graph
        return loaded

    async def _plan(self, workflow: Workflow, digest: str) -> Graph:
        """Plan a workflow, a large one beside the event loop, where it would hold everyone up."""
        plan = partial(plan_graph, workflow, digest, self._compile, self._maximum_input_bytes)
        return await asyncio.to_thread(plan) if len(workflow.nodes) > _PLANNED_ON_THE_LOOP else plan()
