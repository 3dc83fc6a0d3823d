"""Reading one execution."""

from __future__ import annotations

from flowmesh_core.application.execution_reader import ExecutionReader, ExecutionSnapshot
from flowmesh_core.application.offered_handlers import OfferedHandlers
from flowmesh_core.application.request_check import check_key
from flowmesh_core.domain.identity import ExecutionKey


class GetExecution:
    """Returns an execution as its history tells it, and what its nodes wait for."""

    def __init__(self, reader: ExecutionReader, offered: OfferedHandlers) -> None:
        """Read with `reader`; `offered` knows which handlers have workers."""
        self._reader = reader
        self._offered = offered

    async def __call__(self, key: ExecutionKey, *, include_nodes: bool) -> ExecutionSnapshot:
        """Return a snapshot; a frozen one that knows what nodes wait for when these are wanted.

        Raises:
            ExecutionNotFound: There is none.
            InvalidRequest: The key is malformed.
            StoreUnavailable: The store does not answer.
        """
        check_key(key)
        snapshot = await self._reader.snapshot(key)
        if not include_nodes:
            return snapshot
        return snapshot.frozen(await self._offered(key.namespace, snapshot.view))
