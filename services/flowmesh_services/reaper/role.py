"""The reaper role, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmesh_core.application.reap_executions import Retention, RetentionSettings, StartOrphans
from flowmesh_core.application.reap_lost_tasks import ReapLostTasks
from flowmesh_services.reaper.loop import Reaper, Sweep
from flowmesh_services.runtime.role import Background, ServedRole

if TYPE_CHECKING:
    from flowmesh_core.ports.clock import Clock
    from flowmesh_core.ports.command_log import CommandLog
    from flowmesh_core.ports.execution_store import ExecutionStore
    from flowmesh_core.ports.membership import Membership
    from flowmesh_core.ports.task_queue import TaskQueue
    from flowmesh_core.ports.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class ReaperPorts:
    """What sweeping needs from the world."""

    membership: Membership
    executions: ExecutionStore
    queue: TaskQueue
    commands: CommandLog
    clock: Clock
    telemetry: Telemetry


@dataclass(frozen=True, slots=True)
class ReaperOptions:
    """How to sweep; intervals are in seconds.

    Attributes:
        partitions: Over how many partitions the cluster spreads executions.
        retention: How long what has ended is kept.
        lost_tasks_interval: Between looks for tasks of dead gateways.
        orphans_interval: Between looks for executions that nobody started.
        retention_interval: Between deletions.
        gateway_grace: For how long after an outage no gateway is taken for dead.
        idle_queues: For how long an empty queue is kept for its next task.
    """

    partitions: int
    retention: RetentionSettings = RetentionSettings()
    lost_tasks_interval: float = 2.0
    orphans_interval: float = 2.0
    retention_interval: float = 60.0
    gateway_grace: float = 0.0
    idle_queues: float = 600.0


def reaper_role(ports: ReaperPorts, options: ReaperOptions) -> ServedRole:
    """Return the role, ready to be served."""
    clock, telemetry = ports.clock, ports.telemetry
    lost = ReapLostTasks(
        ports.membership,
        ports.queue,
        ports.commands,
        clock,
        telemetry,
        partitions=options.partitions,
        grace=options.gateway_grace,
    )
    orphans = StartOrphans(ports.executions, ports.commands, clock, telemetry)
    retention = Retention(ports.executions, ports.membership, clock, telemetry, options.retention)

    async def remove_idle_queues() -> None:
        removed = await ports.queue.remove_idle(options.idle_queues)
        telemetry.count("flowmesh.queues.removed", removed)

    sweeps = [
        Sweep("lost tasks", options.lost_tasks_interval, lost.sweep),
        Sweep("orphans", options.orphans_interval, orphans.sweep),
        Sweep("retention", options.retention_interval, retention.sweep),
        Sweep("idle queues", options.retention_interval, remove_idle_queues),
    ]
    return ServedRole("reaper", background=(Background("reaper", Reaper(sweeps, clock, telemetry).run),))
