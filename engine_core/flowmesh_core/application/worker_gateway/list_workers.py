"""Listing connected workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowmesh_core.application.page_token import PageTokens
from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.ports.worker_registry import ConnectedWorker, WorkerRegistry


@dataclass(frozen=True, slots=True)
class WorkerPage:
    """Some workers, and the token of the next page; empty on the last."""

    workers: Sequence[ConnectedWorker]
    next_page_token: str


class ListWorkers:
    """Lists the workers of all gateways by worker id, ascending."""

    def __init__(self, registry: WorkerRegistry) -> None:
        """Read from `registry`."""
        self._registry = registry

    async def __call__(self, namespace: str, page_size: int, page_token: str) -> WorkerPage:
        """Return one page.

        Raises:
            InvalidRequest: A field is malformed, or the token was not given by this list.
            StoreUnavailable: Redis does not answer.
        """
        check = RequestCheck()
        check.name("namespace", namespace)
        size = check.page_size(page_size)
        check.refuse_if_wrong()
        tokens = PageTokens("workers", namespace)
        after = str(tokens.decode(page_token, (str,))[0]) if page_token else ""
        found = [worker for worker in await self._registry.list(namespace) if worker.worker_id > after]
        page = found[:size]
        return WorkerPage(page, tokens.encode(page[-1].worker_id) if len(found) > size else "")
