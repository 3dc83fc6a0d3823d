from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.workflow_store import MemoryWorkflowStore
from flowmesh_core.application.graph_cache import Definition, GraphCache
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.expressions import Evaluate
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_core.ports.undecodable import UnknownSchemaVersion

GOOD, OTHER, SLOW, NEWER = (("default", name) for name in ("good", "other", "slow", "newer"))
FOR_EVER = 3_600.0


class PeculiarStore(MemoryWorkflowStore):
    """Holds one definition back until it is let go, and one that newer code wrote.

    Attributes:
        gate: Lets the slow one go.
        failure: What becomes of the slow one then.
    """

    def __init__(self) -> None:
        super().__init__(MemoryDatabase(VirtualClock()))
        self.gate = asyncio.Event()
        self.failure: Exception | None = None

    async def definitions(self, wanted: Collection[Definition]) -> Mapping[Definition, Workflow]:
        if SLOW in wanted:
            await self.gate.wait()
            if self.failure is not None:
                raise self.failure
        if NEWER in wanted:
            raise UnknownSchemaVersion("version 9")
        return await super().definitions(wanted)


@pytest.fixture
async def store() -> PeculiarStore:
    store = PeculiarStore()
    for namespace, name in (GOOD, OTHER, SLOW):
        await store.register(namespace, Workflow(name, (Node("a", "work"),)), name, VirtualClock().now())
    return store


@pytest.fixture
def graphs(store: PeculiarStore) -> GraphCache:
    return GraphCache(store, _no_expressions)


async def test_a_definition_that_cannot_be_read_is_left_out_and_hides_no_other(graphs: GraphCache) -> None:
    assert set(await graphs.get_many([GOOD, NEWER, OTHER])) == {GOOD, OTHER}


async def test_who_shares_a_planning_does_not_share_what_the_other_cannot_read(
    graphs: GraphCache, store: PeculiarStore
) -> None:
    both = asyncio.create_task(graphs.get_many([SLOW, NEWER]))
    await asyncio.sleep(0)
    one = asyncio.create_task(graphs.get_many([SLOW]))
    await asyncio.sleep(0)
    store.gate.set()
    assert set(await one) == set(await both) == {SLOW}


async def test_a_slow_planning_is_waited_for_once_and_then_by_nobody_with_patience(
    graphs: GraphCache, store: PeculiarStore
) -> None:
    assert await graphs.get_many([SLOW], patience=0.001) == {}
    async with asyncio.timeout(5):
        assert await graphs.get_many([SLOW], patience=FOR_EVER) == {}
        assert set(await graphs.get_many([SLOW, GOOD], patience=FOR_EVER)) == {GOOD}
    assert graphs.is_planning(SLOW)
    patient = asyncio.create_task(graphs.get_many([SLOW]))
    await asyncio.sleep(0)
    store.gate.set()
    assert set(await patient) == {SLOW}
    assert not graphs.is_planning(SLOW)


@pytest.mark.parametrize(
    ("failure", "again"), [(ZeroDivisionError(), True), (StoreUnavailable("for a moment"), False)]
)
async def test_a_defect_that_shows_after_patience_ended_is_told_to_who_asks_next(
    graphs: GraphCache, store: PeculiarStore, failure: Exception, again: bool
) -> None:
    store.failure = failure
    await graphs.get_many([SLOW], patience=0.001)
    store.gate.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.failure = None
    if again:
        with pytest.raises(type(failure)):
            await graphs.get_many([SLOW], patience=FOR_EVER)
    assert set(await graphs.get_many([SLOW], patience=FOR_EVER)) == {SLOW}


def _no_expressions(_source: str, _variables: object) -> Evaluate:
    raise AssertionError("there are none")
