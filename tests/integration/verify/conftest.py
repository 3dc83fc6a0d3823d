"""A cluster on real servers, and what tests plant in it."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest

from flowmesh_core.adapters.cel.engine import CelExpressionEngine
from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.verify import Report, Verify, VerifyOptions, VerifyPorts
from flowmesh_core.domain import events
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.workflow import Node, Workflow
from tests.contract.stores import NOW, PARTITIONS, Stores, batch, new_execution, postgres_stores
from tests.contract.transports import OnRedis, on_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flowmesh_core.ports.membership import PartitionLease

    Session = asyncpg.Connection[asyncpg.Record]

TWO = Workflow("two", (Node("a", "h"), Node("b", "h", ("a",))))


def key(execution_id: str) -> ExecutionKey:
    return ExecutionKey("default", execution_id)


def scheduled(sequence: int, node: int, attempt: int = 1) -> events.Event:
    return events.NodeScheduled(sequence, NOW, node, attempt)


def completed(sequence: int, node: int, attempt: int = 1) -> events.Event:
    return events.NodeCompleted(sequence, NOW, node, attempt, NULL, "w", None)


def whole() -> tuple[events.Event, ...]:
    return (
        events.ExecutionStarted(1, NOW),
        scheduled(2, 0),
        completed(3, 0),
        scheduled(4, 1),
        completed(5, 1),
        events.ExecutionCompleted(6, NOW),
    )


@dataclass
class Planted:
    """Stores that hold what a test put there, right or wrong."""

    stores: Stores
    redis: OnRedis
    session: Session
    leases: dict[int, PartitionLease]

    async def execution(
        self, execution_id: str, *rows: tuple[events.Event, ...], request_id: str = ""
    ) -> None:
        """Accept an execution and append rows of history."""
        await self.stores.executions.create(
            [new_execution(execution_id, workflow=TWO, request_id=request_id)]
        )
        await self.append(execution_id, *rows)

    async def append(self, execution_id: str, *rows: tuple[events.Event, ...]) -> None:
        lease = self.leases[partition_of(key(execution_id), PARTITIONS)]
        for row in rows:
            await self.stores.history.append("owner", [lease], [batch(key(execution_id), *row)])

    async def verify(self, *facts: dict[str, object], options: VerifyOptions | None = None) -> Report:
        clock = VirtualClock(NOW)
        ports = VerifyPorts(
            audit=self.stores.audit,
            transport=self.redis.process().audit,
            executions=self.stores.executions,
            histories=self.stores.history,
            graphs=GraphCache(self.stores.workflows, CelExpressionEngine().compile),
            clock=clock,
        )
        return await Verify(ports, options or VerifyOptions()).run(json.dumps(fact) for fact in facts)


@pytest.fixture
async def planted(database_url: str, redis_url: str) -> AsyncIterator[Planted]:
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(postgres_stores(database_url))
        redis = await stack.enter_async_context(on_redis(redis_url))
        session = await asyncpg.connect(database_url)
        stack.push_async_callback(session.close)
        yield Planted(stores, redis, session, await stores.owner())
