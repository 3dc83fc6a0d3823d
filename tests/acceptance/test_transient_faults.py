"""What passes by itself ends no process: all roles in one, under faults of stores, networks and callers."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import grpc
import pytest

from flowmesh import AsyncClient, Worker, Workflow
from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh_core.adapters.redis.connection import RedisClient, connect
from tests.acceptance.calls import Calls
from tests.acceptance.processes import STOP_SECONDS, background, ready_address
from tests.integration.redis.faults import cut_connections

SECONDS = 30
OUTAGE_SECONDS = 1.0
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
READ_ONLY = "ALTER DATABASE {0} SET default_transaction_read_only = {1}"


class Operator:
    """Does to the stores and the server what operators, crashes and networks do."""

    def __init__(
        self, redis: RedisClient, postgres: asyncpg.Connection[asyncpg.Record], address: str
    ) -> None:
        self._redis = redis
        self._postgres = postgres
        self._address = address

    async def cut_redis(self) -> None:
        for kind in ("normal", "pubsub"):
            await cut_connections(self._redis, kind)

    async def forget_scripts(self) -> None:
        await self._redis.call("SCRIPT", "FLUSH")

    async def empty_redis(self) -> None:
        await self._redis.call("FLUSHALL")

    async def unblock_readers(self) -> None:
        for line in (await self._redis.call("CLIENT", "LIST")).splitlines():
            identity = line.split()[0].removeprefix(b"id=")
            await self._redis.call("CLIENT", "UNBLOCK", identity, "ERROR")

    async def fill_redis(self) -> None:
        await self._redis.call("CONFIG", "SET", "maxmemory", 1)
        await asyncio.sleep(OUTAGE_SECONDS)
        await self._redis.call("CONFIG", "SET", "maxmemory", 0)

    async def make_redis_a_replica(self) -> None:
        await self._redis.call("REPLICAOF", "127.0.0.1", "1")
        await asyncio.sleep(OUTAGE_SECONDS)
        await self._redis.call("REPLICAOF", "NO", "ONE")

    async def silence_redis(self) -> None:
        await self._redis.call("CLIENT", "PAUSE", 3_000, "ALL")

    async def cut_postgres(self) -> None:
        await self._postgres.execute(f"SELECT pg_terminate_backend(pid) {OTHERS}")

    async def cancel_statements(self) -> None:
        for _ in range(100):
            await self._postgres.execute(f"SELECT pg_cancel_backend(pid) {OTHERS}")

    async def make_postgres_read_only(self) -> None:
        name = await self._postgres.fetchval("SELECT current_database()")
        await self._postgres.execute(READ_ONLY.format(name, "on"))
        await self.cut_postgres()
        await asyncio.sleep(OUTAGE_SECONDS)
        await self._postgres.execute("SET default_transaction_read_only = off")
        await self._postgres.execute(READ_ONLY.format(name, "off"))
        await self.cut_postgres()

    async def leave_while_shaking_hands(self) -> None:
        host, _, port = self._address.rpartition(":")
        for words in (
            b"",
            b"PRI * HTTP/2.0\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00",
        ):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(words)

    async def leave_streams(self) -> None:
        hello = pb.ConnectRequest(
            hello=pb.Hello(worker_id="hasty", handlers=["h"], slots=1, protocol_versions=[1])
        )
        beats = pb.ConnectRequest(beat=pb.Beat())
        for frames in ([], [hello], [hello, beats], [beats]):
            with grpc.insecure_channel(self._address) as channel:
                stream = Calls(channel).workers.Connect(iter(frames))
                if frames == [hello]:
                    next(stream)
                stream.cancel()

    @property
    def faults(self) -> list[Callable[[], Awaitable[None]]]:
        """Everything that it can do."""
        names = [name for name in vars(type(self)) if not name.startswith("_") and name != "faults"]
        return [getattr(self, name) for name in names]


@contextlib.asynccontextmanager
async def operating(database_url: str, redis_url: str, address: str) -> AsyncIterator[Operator]:
    postgres = await asyncpg.connect(database_url)
    try:
        async with connect(redis_url) as redis:
            yield Operator(redis, postgres, address)
    finally:
        await postgres.close()


@pytest.mark.timeout(180)
async def test_no_fault_that_passes_ends_a_process(database_url: str, redis_url: str) -> None:
    environment = {
        "FLOWMESH_POSTGRES_URL": database_url,
        "FLOWMESH_REDIS_URL": redis_url,
        "FLOWMESH_LEASE_SECONDS": "1.5",
        "FLOWMESH_GATEWAY_LEASE_SECONDS": "2",
        "FLOWMESH_LOG_LEVEL": "error",
    }
    workflow = Workflow("pair")
    first = workflow.node("echo", id="first", n=workflow.input)
    workflow.node("echo", id="second", n=first.output["n"])
    with background("dev", "--listen", "127.0.0.1:0", environment=environment) as process:
        address = await asyncio.to_thread(ready_address, process)
        async with (
            AsyncClient(address, timeout=SECONDS) as client,
            Worker(address, dry_run=True),
            operating(database_url, redis_url, address) as operator,
        ):
            for number, fault in enumerate(operator.faults):
                under_way = await client.submit(workflow, number)
                await fault()
                after = await client.submit(workflow, number)
                for handle in (under_way, after):
                    assert await handle.result(timeout=SECONDS) == {"second": {"n": number}}, fault.__name__
                assert process.poll() is None, fault.__name__
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, STOP_SECONDS) == 0
