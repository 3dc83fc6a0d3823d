"""Planned graphs, kept because many executions share one."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Collection, Mapping

from flowmesh_core.domain.expressions import CompileExpression, ExpressionError
from flowmesh_core.domain.graph import Graph, plan_graph
from flowmesh_core.ports.workflow_store import WorkflowStore

_log = logging.getLogger(__name__)

Definition = tuple[str, str]
"""(namespace, digest)"""


class GraphCache:
    """The least recently used graphs go first; the bound is on their nodes, which is where the memory is."""

    def __init__(
        self, store: WorkflowStore, compile_expression: CompileExpression, *, maximum_nodes: int = 500_000
    ) -> None:
        """Keep graphs with at most `maximum_nodes` in all, but always the newest."""
        self._store = store
        self._compile = compile_expression
        self._maximum_nodes = maximum_nodes
        self._graphs: OrderedDict[Definition, Graph] = OrderedDict()
        self._nodes = 0

    async def get_many(self, wanted: Collection[Definition]) -> Mapping[Definition, Graph]:
        """Return the graphs of these definitions, with one query for all that are not kept.

        A definition that is not stored, or that this version cannot compile, is left out.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        found = {key: graph for key in set(wanted) if (graph := self._graphs.get(key)) is not None}
        for key in found:
            self._graphs.move_to_end(key)
        missing = [key for key in set(wanted) if key not in found]
        if missing:
            found.update(await self._load(missing))
        return found

    async def _load(self, missing: Collection[Definition]) -> dict[Definition, Graph]:
        loaded = {}
        for key, workflow in (await self._store.definitions(missing)).items():
            try:
                loaded[key] = plan_graph(workflow, key[1], self._compile)
            except ExpressionError:
                _log.exception("definition %s of namespace %s does not compile any more", key[1], key[0])
                continue
            self._keep(key, loaded[key])
        return loaded

    def _keep(self, key: Definition, graph: Graph) -> None:
        if key in self._graphs:
            return
        self._graphs[key] = graph
        self._nodes += len(graph.nodes)
        while self._nodes > self._maximum_nodes and len(self._graphs) > 1:
            _, dropped = self._graphs.popitem(last=False)
            self._nodes -= len(dropped.nodes)
