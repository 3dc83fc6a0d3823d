"""The benchmark's own look into the database, which must not count as the system's."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


class Observer:
    """One connection, and what it cost.

    Attributes:
        pid: The server process behind it.
        statements: How many it ran.
        seconds: How long they took.
    """

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], pid: int) -> None:
        self._connection = connection
        self.pid = pid
        self.statements = 0
        self.seconds = 0.0

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a query."""
        began = time.perf_counter()
        found = await self._connection.fetch(query, *arguments)
        self.seconds += time.perf_counter() - began
        self.statements += 1
        return found

    async def row(self, query: str, *arguments: object) -> asyncpg.Record:
        """Run a query that always has a row, and return the first."""
        return (await self.rows(query, *arguments))[0]

    async def value(self, query: str, *arguments: object) -> Any:
        """Run a query that always has a row, and return its first column."""
        return (await self.row(query, *arguments))[0]


@asynccontextmanager
async def observing(database: str) -> AsyncIterator[Observer]:
    """Connect until the block ends."""
    connection = await asyncpg.connect(database)
    try:
        yield Observer(connection, connection.get_server_pid())
    finally:
        await connection.close()
