"""What the stores of this machine allow: the messages of chains and their appends, no engine between.

`python -m tests.benchmarks.ceiling owner|gateway REDIS POSTGRES IN_FLIGHT STEPS`

Per step as in the engine: a task and a command through Redis Streams, each
added, read under a group and deleted, and one row of history in a fenced
append, by the engine's own statement, for all commands of a read at once.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import asyncpg
import uvloop

from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.adapters.redis.connection import connect
from flowmesh_core.adapters.redis.wire import checked, pack
from tests.benchmarks.stack import Stack, python_process

if TYPE_CHECKING:
    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.adapters.redis.wire import Command, Reply

LANES = 2
_READ = 500
_TASK = bytes(300)
_REPORT = bytes(200)
_EVENTS = bytes(60)
_SCHEMA = """
DROP SCHEMA IF EXISTS ceiling CASCADE;
CREATE SCHEMA ceiling;
CREATE TABLE ceiling.partition (LIKE flowmesh.partition INCLUDING ALL);
CREATE TABLE ceiling.execution (LIKE flowmesh.execution INCLUDING ALL);
CREATE TABLE ceiling.history (LIKE flowmesh.history INCLUDING ALL);
INSERT INTO ceiling.partition SELECT lane, 'owner', 1 FROM generate_series(0, 1) AS lane;
"""


async def measure(stack: Stack, in_flight: int, steps: int) -> float:
    """Return steps per second with so many chains at once, an owner of two lanes and a gateway."""
    connection = await asyncpg.connect(stack.database)
    await connection.execute(_SCHEMA)
    await connection.close()
    async with connect(stack.redis) as redis:
        for lane in range(LANES):
            for stream in (f"ceiling:task:{lane}", f"ceiling:command:{lane}"):
                await redis.call("DEL", stream)
                checked(await redis.call("XGROUP", "CREATE", stream, "group", "0", "MKSTREAM"))
    arguments = (stack.redis, stack.database, str(in_flight), str(steps))
    with ExitStack() as processes:
        processes.enter_context(python_process("ceiling", "gateway", *arguments))
        owner = processes.enter_context(python_process("ceiling", "owner", *arguments))
        assert owner.stdout is not None
        async with asyncio.timeout(120):
            line = await asyncio.to_thread(owner.stdout.readline)
    return float(json.loads(line))


async def _owner(redis_url: str, database: str, in_flight: int, steps: int) -> None:
    async with (
        asyncpg.create_pool(database, min_size=LANES, max_size=LANES) as pool,
        connect(redis_url) as redis,
    ):
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for lane in range(LANES):
                group.create_task(_own(redis, pool, lane, in_flight // LANES, steps // LANES))
        print(json.dumps(steps / (time.perf_counter() - began)), flush=True)


async def _own(redis: RedisClient, pool: asyncpg.Pool, lane: int, in_flight: int, steps: int) -> None:
    """Keep so many tasks on their way until all steps are done."""
    append = statement("append").replace("flowmesh.", "ceiling.")
    commands, tasks = f"ceiling:command:{lane}", f"ceiling:task:{lane}"
    reader = redis.dedicated()
    await redis.pipeline([("XADD", tasks, "*", "b", _TASK) for _ in range(in_flight)])
    done = 0
    while done < steps:
        found = await _read(reader, commands)
        rows = [f"{lane}-{done + number}" for number in range(len(found))]
        intact = await pool.fetch(append, *_arguments(lane, rows))
        assert len(intact) == 1
        done += len(found)
        more: list[Command] = [("XADD", tasks, "*", "b", _TASK) for _ in found[: steps - done]]
        await redis.pipeline([*more, ("XDEL", commands, *found)])


def _arguments(lane: int, rows: Sequence[str]) -> list[object]:
    ones = [1] * len(rows)
    history = (["default"] * len(rows), rows, ones, ones, 1, [_EVENTS] * len(rows))
    return [[lane], [1], "owner", *history, *([] for _ in range(6))]


async def _gateway(redis_url: str, _database: str, _in_flight: int, _steps: int) -> None:
    async with connect(redis_url) as redis, asyncio.TaskGroup() as group:
        for lane in range(LANES):
            group.create_task(_answer(redis, lane))


async def _answer(redis: RedisClient, lane: int) -> None:
    """Report every task at once, until the process is ended."""
    commands, tasks = f"ceiling:command:{lane}", f"ceiling:task:{lane}"
    reader = redis.dedicated()
    while True:
        found = await _read(reader, tasks)
        reports: list[Command] = [("XADD", commands, "*", "b", _REPORT) for _ in found]
        await redis.pipeline([*reports, ("XACK", tasks, "group", *found), ("XDEL", tasks, *found)])


async def _read(reader: RedisClient, stream: str) -> list[bytes]:
    command: Command = ("XREADGROUP", "GROUP", "group", "c", "COUNT", _READ, "BLOCK", 4_000)
    (reply,) = await reader.send(pack([(*command, "STREAMS", stream, ">")]), 1)
    entries: Reply = checked(reply)[0][1]
    return [entry_id for entry_id, _fields in entries]


def main() -> None:
    """Play a part until the steps are done or a signal comes."""
    part, redis, postgres, in_flight, steps = sys.argv[1:]
    run = _owner if part == "owner" else _gateway
    uvloop.run(run(redis, postgres, int(in_flight), int(steps)))


if __name__ == "__main__":
    main()
