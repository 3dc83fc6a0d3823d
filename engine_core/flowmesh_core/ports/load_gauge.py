"""How much accepted work waits, as every process sees it alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Load:
    """What waited when it was read.

    Attributes:
        commands: Per partition, commands that are not decided.
        executions: Open executions of the cluster, as far as tasks of them were dispatched.
        tasks: Per namespace that was asked for, tasks that workers have not finished.
    """

    commands: Mapping[int, int]
    executions: int
    tasks: Mapping[str, int]


class LoadGauge(Protocol):
    """Reads the load from the transport, which holds all of it."""

    async def read(self, partitions: int, namespaces: Collection[str]) -> Load:
        """Return the load of a cluster of so many partitions; cheap enough for once a second.

        Raises:
            StoreUnavailable: The transport does not answer.
        """
