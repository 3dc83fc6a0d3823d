"""The part of the orchestration role that owns partitions, as a background loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flowmesh_services.runtime.role import Background, ServedRole

if TYPE_CHECKING:
    from flowmesh_core.application.member_session import MemberSession
    from flowmesh_core.application.partition_owner import PartitionOwner


def owner_role(session: MemberSession, owner: PartitionOwner) -> ServedRole:
    """Return a role that owns partitions until it drains, and gives them back at once then."""
    released = asyncio.Event()

    async def run() -> None:
        await session.run(owner.run)
        released.set()
        await asyncio.Event().wait()  # a background loop ends by being cancelled

    async def drain() -> None:
        owner.stop()
        await released.wait()

    return ServedRole("partition owner", background=(Background("partition owner", run),), drain=drain)
