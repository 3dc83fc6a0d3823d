"""Refusing new work while what was accepted before waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from flowmesh_core.domain.errors import Overloaded, StoreUnavailable
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.execution_store import NewExecution
from flowmesh_core.ports.load_gauge import Load, LoadGauge
from flowmesh_core.ports.telemetry import Telemetry

_INTERVAL = 1.0
_PATIENCE = 2.0
_VALID = 5.0
_RETRY_AFTER = 1.0
_NOTHING = Load({}, 0, {})


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """How much may wait before new executions are refused.

    Attributes:
        partition_commands: Commands of one partition.
        commands: Commands of the cluster.
        executions: Open executions of the cluster: they are in the memory of its owners.
        namespace_tasks: Tasks of one namespace; well below what a cluster holds, so
            that who asks for more than its workers do is refused before others are.
    """

    partition_commands: int = 20_000
    commands: int = 200_000
    executions: int = 500_000
    namespace_tasks: int = 100_000


class OverloadGuard:
    """Judges new executions by a load that is read once a second, and only while they arrive.

    What this process admitted since then counts as waiting, so a fast caller
    does not get far between two readings. When the load cannot be read,
    everything is admitted and counted: a limit protects the service, and must
    not be what takes it down.
    """

    def __init__(
        self, gauge: LoadGauge, clock: Clock, telemetry: Telemetry, partitions: int, limits: LoadLimits
    ) -> None:
        """Hold a cluster of so many partitions to `limits`."""
        self._gauge = gauge
        self._clock = clock
        self._telemetry = telemetry
        self._partitions = partitions
        self._limits = limits
        self._load = _NOTHING
        self._waiting = 0
        self._read_at = float("-inf")
        self._commands: Counter[int] = Counter()
        self._tasks: Counter[str] = Counter()
        self._asked: set[str] = set()
        self._arrived = asyncio.Event()

    def admit(self, execution: NewExecution) -> None:
        """Count a new execution in.

        Raises:
            Overloaded: Too much waits already.
        """
        self._asked.add(execution.key.namespace)
        self._arrived.set()
        if self._clock.monotonic() - self._read_at > _VALID:
            return
        what = self._excess(execution)
        if what is not None:
            self._telemetry.count("flowmesh.submissions.overloaded", 1, {"flowmesh.limit": what})
            raise Overloaded(
                f"too many {what} wait; what was accepted before goes first",
                metadata={"namespace": execution.key.namespace, "limit": what},
                retry_after=_RETRY_AFTER,
            )
        self._commands[execution.partition] += 1
        self._tasks[execution.key.namespace] += 1

    async def run(self) -> None:
        """Read the load while executions arrive, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self._read()
            await self._clock.sleep(_INTERVAL)

    async def _read(self) -> None:
        namespaces, self._asked = self._asked, set()
        try:
            async with asyncio.timeout(_PATIENCE):
                load = await self._gauge.read(self._partitions, namespaces)
        except (StoreUnavailable, TimeoutError):
            self._telemetry.count("flowmesh.outages.load")
            return
        self._load = load
        self._waiting = sum(load.commands.values())
        self._read_at = self._clock.monotonic()
        self._commands.clear()
        self._tasks.clear()

    def _excess(self, execution: NewExecution) -> str | None:
        """Name the limit that is reached."""
        load, limits = self._load, self._limits
        partition, namespace = execution.partition, execution.key.namespace
        if load.tasks.get(namespace, 0) + self._tasks[namespace] >= limits.namespace_tasks:
            return "tasks of the namespace"
        if load.commands.get(partition, 0) + self._commands[partition] >= limits.partition_commands:
            return "commands of the partition"
        admitted = self._commands.total()
        if self._waiting + admitted >= limits.commands:
            return "commands"
        if load.executions + admitted >= limits.executions:
            return "open executions"
        return None
