from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis import keys
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.worker_registry import ConnectedWorker

if TYPE_CHECKING:
    from flowmesh_core.adapters.redis.connection import RedisClient
    from tests.contract.transports import OnRedis


async def test_a_gateway_of_a_newer_version_hides_nobody_else(
    transport: OnRedis, operator: RedisClient
) -> None:
    registry = transport.process().worker_registry
    worker = ConnectedWorker("default", "a", ("resize",), False, 8, 2, Micros(10), Micros(20))
    await registry.publish("one", [worker], 60)
    await registry.publish("two", [worker], 60)
    await operator.call("SET", keys.workers("two"), b"\x92\xcc\xfa\x91\x01")
    assert await registry.list("default") == [worker]


async def test_gateways_that_are_silent_leave_nothing_behind(
    transport: OnRedis, operator: RedisClient
) -> None:
    registry = transport.process().worker_registry
    await registry.publish("one", [], 60)
    await operator.call("DEL", keys.workers("one"))
    assert await registry.list("default") == []
    assert await operator.call("EXISTS", keys.REGISTERED_GATEWAYS) == 0
