"""Planned graphs, kept because many executions share one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from flowmesh_core.application.bounded_cache import BoundedCache
from flowmesh_core.application.by_halves import read_by_halves
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.expressions import CompileExpression
from flowmesh_core.domain.graph import Graph, plan_graph
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.undecodable import Undecodable
from flowmesh_core.ports.workflow_store import WorkflowStore

_logger = logging.getLogger(__name__)

_PLANNED_ON_THE_LOOP = 1_000
"""Nodes of the largest workflow that is planned without a thread."""

Definition = tuple[str, str]
"""(namespace, digest)"""

_Planning = asyncio.Task[dict[Definition, Graph]]


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
        self._plannings: dict[Definition, _Planning] = {}
        self._slow: set[_Planning] = set()

    async def get_many(
        self, wanted: Collection[Definition], *, patience: float | None = None
    ) -> Mapping[Definition, Graph]:
        """Return the graphs of these definitions, with one query for all that are not kept.

        A definition that is not stored, or that this version cannot read, is left out.
        With `patience`, so is one whose planning is not over after so many seconds: it
        goes on, and `is_planning` until then. It is waited for once, not by every call.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        found = self._kept(wanted)
        missing = set(wanted) - found.keys()
        if missing:
            plannings = self._plannings_of(missing)
            done = await self._wait_for(plannings, patience)
            for planning in done:
                self._forget(planning)
                found |= {key: graph for key, graph in planning.result().items() if key in missing}
            if len(done) < len(plannings):
                found |= self._kept(missing)
        return found

    def is_planning(self, definition: Definition) -> bool:
        """Return whether the graph of this definition is on its way."""
        return definition in self._plannings

    def _kept(self, wanted: Collection[Definition]) -> dict[Definition, Graph]:
        return {key: graph for key in wanted if (graph := self._graphs.get(key)) is not None}

    def _plannings_of(self, missing: Collection[Definition]) -> set[_Planning]:
        fresh = [key for key in missing if key not in self._plannings]
        if fresh:
            planning = asyncio.create_task(self._load(fresh), name="planning of graphs")
            self._plannings |= dict.fromkeys(fresh, planning)
            planning.add_done_callback(self._planned)
        return {self._plannings[key] for key in missing}

    async def _wait_for(self, plannings: set[_Planning], patience: float | None) -> set[_Planning]:
        """Return those that are over; who has patience does not wait for what was slow before."""
        awaited = plannings if patience is None else plannings - self._slow
        if not awaited:
            return set()
        done, late = await asyncio.wait(awaited, timeout=patience)
        self._slow |= late
        return done

    def _planned(self, planning: _Planning) -> None:
        failure = None if planning.cancelled() else planning.exception()
        was_slow = planning in self._slow
        self._slow.discard(planning)
        # A defect that nobody waited for is kept for whoever asks next, who would only meet it again later.
        if failure is None or isinstance(failure, StoreUnavailable) or not was_slow:
            self._forget(planning)

    def _forget(self, planning: _Planning) -> None:
        self._plannings = {key: each for key, each in self._plannings.items() if each is not planning}

    async def _load(self, missing: Sequence[Definition]) -> dict[Definition, Graph]:
        loaded = {}
        parts = await read_by_halves(missing, self._store.definitions, _tell)
        stored = [definition for part in parts for definition in part.items()]
        for key, workflow in sorted(stored, key=lambda item: len(item[1].nodes)):
            graph = await self._plan(workflow, key[1])
            self._graphs.put(key, graph, weight=len(graph.nodes))
            loaded[key] = graph
        return loaded

    async def _plan(self, workflow: Workflow, digest: str) -> Graph:
        """Plan a workflow, a large one beside the event loop, where it would hold everyone up."""
        plan = partial(plan_graph, workflow, digest, self._compile, self._maximum_input_bytes)
        return await asyncio.to_thread(plan) if len(workflow.nodes) > _PLANNED_ON_THE_LOOP else plan()


def _tell(unreadable: Definition, error: Undecodable) -> None:
    _logger.warning("definition %s/%s cannot be read: %s", *unreadable, error)
