from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.worker_registry import ConnectedWorker

if TYPE_CHECKING:
    from tests.contract.transports import Transport


def _worker(
    worker_id: str, *handlers: str, namespace: str = "default", seen: int = 20, every: bool = False
) -> ConnectedWorker:
    return ConnectedWorker(
        namespace, worker_id, handlers, every, 8, 2, Micros(10), Micros(seen), (("zone", "a"),)
    )


async def test_workers_of_all_gateways_are_listed_by_id(transport: Transport) -> None:
    registry = transport.process().worker_registry
    other = _worker("z", "resize", namespace="other")
    await registry.publish("one", [_worker("b", "resize"), other], 60)
    await registry.publish("two", [_worker("a", "blur")], 60)
    assert await registry.list("default") == [_worker("a", "blur"), _worker("b", "resize")]
    assert await registry.list("other") == [other]
    assert await registry.list("nowhere") == []


async def test_a_publication_replaces_the_one_before(transport: Transport) -> None:
    registry = transport.process().worker_registry
    await registry.publish("one", [_worker("a"), _worker("b")], 60)
    await registry.publish("one", [_worker("b")], 60)
    assert await registry.list("default") == [_worker("b")]


async def test_of_two_with_one_id_the_one_last_seen_counts(transport: Transport) -> None:
    registry = transport.process().worker_registry
    await registry.publish("one", [_worker("a", seen=30)], 60)
    await registry.publish("two", [_worker("a", seen=20)], 60)
    assert await registry.list("default") == [_worker("a", seen=30)]


async def test_a_silent_gateway_is_forgotten(transport: Transport) -> None:
    registry = transport.process().worker_registry
    await registry.publish("one", [_worker("a", "resize")], 0.02)
    await registry.publish("two", [_worker("b")], 60)
    await transport.elapse(0.03)
    assert await registry.list("default") == [_worker("b")]
    assert await registry.offered("default", ["resize"]) == frozenset()


async def test_offered_are_the_handlers_that_some_worker_has(transport: Transport) -> None:
    registry = transport.process().worker_registry
    await registry.publish("one", [_worker("a", "resize", "blur"), _worker("b", "crop")], 60)
    await registry.publish("two", [_worker("z", "sharpen", namespace="other")], 60)
    assert await registry.offered("default", ["blur", "sharpen", "crop"]) == {"blur", "crop"}
    assert await registry.offered("default", []) == frozenset()


async def test_a_worker_for_all_handlers_offers_every_one(transport: Transport) -> None:
    registry = transport.process().worker_registry
    await registry.publish("one", [_worker("dry-run", every=True)], 60)
    assert await registry.offered("default", ["anything"]) == {"anything"}
    assert await registry.offered("other", ["anything"]) == frozenset()
