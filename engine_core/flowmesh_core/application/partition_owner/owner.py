"""The orchestrator: owns partitions and advances their executions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.member_session import MemberLease
from flowmesh_core.application.partition_owner.advance_executions import AdvancePorts
from flowmesh_core.application.partition_owner.lane import Lane
from flowmesh_core.application.partition_owner.load_executions import LoadExecutions
from flowmesh_core.application.partition_owner.lost_tasks import LostTasks
from flowmesh_core.application.partition_owner.own_partitions import OwnPartitions
from flowmesh_core.application.partition_owner.settings import OwnerSettings
from flowmesh_core.application.partition_owner.take_over import TakeOver
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.command_log import CommandLog
from flowmesh_core.ports.execution_store import ExecutionStore
from flowmesh_core.ports.history_store import HistoryStore
from flowmesh_core.ports.membership import Membership
from flowmesh_core.ports.outbox import Outbox
from flowmesh_core.ports.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class OwnerPorts:
    """What an owner needs from the world.

    Attributes:
        command_logs: One per lane, each with a reader of its own; while one lane
            waits for the store, another decides.
    """

    membership: Membership
    command_logs: tuple[CommandLog, ...]
    outbox: Outbox
    history: HistoryStore
    executions: ExecutionStore
    graphs: GraphCache
    clock: Clock
    telemetry: Telemetry


class PartitionOwner:
    """Owns partitions for as long as a lease lasts; a new lease begins with empty memory."""

    def __init__(self, ports: OwnerPorts, settings: OwnerSettings) -> None:
        """Prepare; nothing happens before `run`."""
        self._ports = ports
        self._settings = settings
        self._stopping = asyncio.Event()

    async def run(self, lease: MemberLease) -> None:
        """Own and advance until `stop`, then release everything.

        Cancelling ends it at once, without releasing: leaving the cluster does that.
        """
        try:
            await self._run(*self.assemble(lease))
        finally:
            for log in self._ports.command_logs:
                log.close(range(self._settings.partitions))

    async def _run(self, partitions: OwnPartitions, lanes: Sequence[Lane]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(partitions.run(self._stopping))
            for lane in lanes:
                tasks.create_task(lane.run(self._stopping))
                lost = LostTasks(lane, self._ports.outbox, self._ports.telemetry)
                tasks.create_task(
                    lost.run(self._stopping, self._ports.clock, self._settings.lost_tasks_interval)
                )
            await self._stopping.wait()
            partitions.wake()
            for lane in lanes:
                lane.wake()

    def stop(self) -> None:
        """Let `run` finish its batches, release its partitions and return."""
        self._stopping.set()

    def assemble(self, lease: MemberLease) -> tuple[OwnPartitions, list[Lane]]:
        """Make the parts that act under one lease, without starting them."""
        ports = self._ports
        settings = self._settings
        loader = LoadExecutions(ports.executions, ports.history, ports.graphs, ports.telemetry)
        advance = AdvancePorts(ports.history, ports.outbox, loader, ports.clock, ports.telemetry)
        partitions = OwnPartitions(ports.membership, lease, settings, ports.clock, ports.telemetry)
        lanes = []
        for log in ports.command_logs:
            take_over = TakeOver(log, ports.outbox, ports.executions, loader, settings.takeover_executions)
            lanes.append(Lane(lease, log, take_over, advance, settings, partitions.dropped))
        partitions.use(lanes)
        return partitions, lanes
