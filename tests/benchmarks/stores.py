"""What the stores say they were asked to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from tests.benchmarks.observer import Observer

STATISTICS_SECONDS = 10.5
"""PostgreSQL's processes report what they did at the latest so long after they became idle."""

_OURS = {"info", "ping", "hello", "client|setinfo", "config|resetstat"}
_DATABASE = """
SELECT xact_commit + xact_rollback AS transactions, active_time / 1e3 AS seconds,
    pg_current_wal_insert_lsn() - '0/0' AS wal_bytes
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True)
class Counters:
    """What the stores have done since they started, or between two readings.

    Attributes:
        redis_commands: Calls by command, those inside of scripts included.
        redis_seconds: What they took in the server.
        redis_reads: How often the server read from a connection: at most the number of round trips.
        redis_bytes_in: What it received.
        redis_bytes_out: What it sent.
        sql_statements: Transactions; each statement of the system is one of its own, but for the few that
            a submission or a membership takes together.
        sql_seconds: What they took in the server, the disk included.
        wal_bytes: What was written ahead.
    """

    redis_commands: Mapping[str, int] = field(default_factory=dict)
    redis_seconds: float = 0.0
    redis_reads: int = 0
    redis_bytes_in: int = 0
    redis_bytes_out: int = 0
    sql_statements: int = 0
    sql_seconds: float = 0.0
    wal_bytes: int = 0

    def since(self, earlier: Counters) -> Counters:
        """Return what was done after an earlier reading."""
        commands = {
            name: calls - earlier.redis_commands.get(name, 0)
            for name, calls in self.redis_commands.items()
            if calls != earlier.redis_commands.get(name, 0)
        }
        names = [name for name in vars(self) if name != "redis_commands"]
        return Counters(commands, **{name: getattr(self, name) - getattr(earlier, name) for name in names})

    def each(self, count: int) -> dict[str, float]:
        """Return it per step: times in microseconds, commands in all."""
        return {
            "redis_commands": sum(self.redis_commands.values()) / count,
            "redis_us": self.redis_seconds * 1e6 / count,
            "redis_reads": self.redis_reads / count,
            "redis_bytes_in": self.redis_bytes_in / count,
            "redis_bytes_out": self.redis_bytes_out / count,
            "sql_statements": self.sql_statements / count,
            "sql_us": self.sql_seconds * 1e6 / count,
            "wal_bytes": self.wal_bytes / count,
        }


class Gauges:
    """Reads the counters of both stores."""

    def __init__(self, redis: Redis, observer: Observer) -> None:
        self._redis = redis
        self._observer = observer

    async def read(self) -> Counters:
        """Read now; what PostgreSQL did in the last seconds may be missing."""
        commands = await self._redis.info("commandstats")
        stats = await self._redis.info("stats")
        database = await self._observer.row(_DATABASE)
        calls = {name.removeprefix("cmdstat_"): told for name, told in commands.items()}
        theirs = {name: told for name, told in calls.items() if name not in _OURS}
        return Counters(
            redis_commands={name: int(told["calls"]) for name, told in theirs.items()},
            redis_seconds=sum(told["usec"] for told in theirs.values()) / 1e6,
            redis_reads=_number(stats, "total_reads_processed"),
            redis_bytes_in=_number(stats, "total_net_input_bytes"),
            redis_bytes_out=_number(stats, "total_net_output_bytes"),
            sql_statements=int(database["transactions"]) - self._observer.statements,
            sql_seconds=float(database["seconds"]) - self._observer.seconds,
            wal_bytes=int(database["wal_bytes"]),
        )

    async def settled(self) -> Counters:
        """Read when everything done before this call is in the statistics."""
        await asyncio.sleep(STATISTICS_SECONDS)  # there is no event for it
        return await self.read()


@asynccontextmanager
async def gauges(redis_url: str, observer: Observer) -> AsyncIterator[Gauges]:
    """Connect to Redis until the block ends."""
    async with Redis.from_url(redis_url) as redis:
        yield Gauges(redis, observer)


def _number(stats: Mapping[str, Any], name: str) -> int:
    return int(stats.get(name, 0))  # an older server lacks some
