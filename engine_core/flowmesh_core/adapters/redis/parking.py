"""Where messages go that nobody can read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis import keys
from flowmesh_core.adapters.redis.wire import checked

if TYPE_CHECKING:
    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.ports.task_queue import QueueName
    from flowmesh_core.ports.telemetry import Telemetry
    from flowmesh_core.ports.undecodable import Undecodable

_log = logging.getLogger(__name__)


class Parking:
    """Moves undecodable entries aside, for people to look at, and reports them."""

    def __init__(self, client: RedisClient, telemetry: Telemetry) -> None:
        self._client = client
        self._telemetry = telemetry

    async def park_command(self, partition: int, entry_id: bytes, body: bytes, reason: Undecodable) -> None:
        """Move a command out of the log of its partition."""
        stream = keys.commands(partition)
        await self._park(stream, keys.parked_commands(partition), entry_id, body, reason)
        self._count("command")

    async def park_task(self, queue: QueueName, entry_id: bytes, body: bytes, reason: Undecodable) -> None:
        """Move a task out of its queue."""
        stream = keys.tasks(queue.namespace, queue.handler)
        await self._park(stream, keys.parked_tasks(queue.namespace), entry_id, body, reason)
        self._count("task")

    async def _park(
        self, stream: str, parked: str, entry_id: bytes, body: bytes, reason: Undecodable
    ) -> None:
        limit = ("MAXLEN", "~", keys.PARKED_LENGTH)
        replies = await self._client.pipeline(
            [
                ("XADD", parked, *limit, "*", keys.BODY_FIELD, body, "from", entry_id, "reason", str(reason)),
                ("XACK", stream, keys.TASK_GROUP, entry_id),
                ("XDEL", stream, entry_id),
            ]
        )
        for reply in replies:
            checked(reply)
        _log.error("parked %s of %s in %s: %s", entry_id.decode(), stream, parked, reason)

    def _count(self, kind: str) -> None:
        self._telemetry.count("flowmesh.messages.parked", attributes={"flowmesh.kind": kind})
