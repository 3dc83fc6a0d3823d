"""Which workers are connected, over all gateways."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flowmesh_core.domain.time import Micros


@dataclass(frozen=True, slots=True)
class ConnectedWorker:
    """A worker as its gateway sees it; see `Worker` in worker.proto."""

    namespace: str
    worker_id: str
    handlers: tuple[str, ...]
    all_handlers: bool
    slots: int
    held_tasks: int
    connected_at: Micros
    last_seen_at: Micros
    labels: tuple[tuple[str, str], ...] = field(default=())


class WorkerRegistry(Protocol):
    """What each gateway says of its workers, until it stops. May raise `StoreUnavailable`."""

    async def publish(self, gateway_id: str, workers: Sequence[ConnectedWorker], ttl: float) -> None:
        """Replace what a gateway said before; it holds for `ttl` seconds. Nothing removes it."""

    async def list(self, namespace: str) -> Sequence[ConnectedWorker]:
        """Return the workers of a namespace by id; of two with one id the one last seen."""

    async def offered(self, namespace: str, handlers: Collection[str]) -> frozenset[str]:
        """Return those of the handlers that at least one connected worker offers."""
