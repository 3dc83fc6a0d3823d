"""How far a load has come, read from PostgreSQL past every fault."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from tests.chaos.stores import Stores

_OPEN = "SELECT count(*) FROM flowmesh.execution WHERE status IN ('PENDING', 'RUNNING', 'CANCELLING')"
_COMPLETED = """
SELECT workflow_name AS name, count(*) AS completed
FROM flowmesh.execution WHERE status = 'COMPLETED' GROUP BY workflow_name
"""
_SECONDS = 2.0
"""Between counts of what has completed, which read every execution."""


@dataclass(frozen=True)
class Counts:
    """What there is at a moment.

    Attributes:
        steps: How many nodes at least have completed, in executions that completed.
        open: How many executions have not ended.
    """

    steps: int = 0
    open: int = 0


class Progress:
    """Counts executions; a moment in which PostgreSQL is away shows the counts from before."""

    def __init__(self, stores: Stores, steps_of: Mapping[str, int]) -> None:
        """Count for each completed execution the steps of its workflow, by name."""
        self._stores = stores
        self._steps_of = steps_of
        self._counted_at = float("-inf")
        self.last = Counts()

    async def read(self) -> Counts:
        """Look again."""
        with contextlib.suppress(
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError
        ):
            async with self._stores.session() as session:
                self.last = Counts(await self._steps(session), int(await session.fetchval(_OPEN)))
        return self.last

    async def _steps(self, session: asyncpg.Connection[asyncpg.Record]) -> int:
        now = time.monotonic()
        if now < self._counted_at + _SECONDS:
            return self.last.steps
        rows = await session.fetch(_COMPLETED)
        self._counted_at = now
        return sum(row["completed"] * self._steps_of.get(row["name"], 0) for row in rows)
