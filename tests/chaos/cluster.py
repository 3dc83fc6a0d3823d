"""Processes of every role, and workers, each with a breakable network of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1

from tests.acceptance.processes import COMMAND
from tests.chaos.proxy import FAIR, Proxy
from tests.chaos.stores import Stores

ROLES = ("submission", "orchestration", "worker-control", "reaper")
ROOT = Path(__file__).parents[2]
LEASE_SECONDS = 1.0
GATEWAY_LEASE_SECONDS = 2.0
WORKER_LEASE_SECONDS = 3.0
_START_SECONDS = 60.0
_RESTART_SECONDS = 0.5
_STOP_SECONDS = 20.0


@dataclass
class Member:
    """One process: how it is started, what it is connected by, and what it is now."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    proxies: dict[str, Proxy] = field(default_factory=dict)
    service: Proxy | None = None
    ahead: Path | None = None
    """By how many seconds its wall clock is ahead; of servers only."""
    process: asyncio.subprocess.Process | None = None
    is_expected: bool = True
    """Whether it should run: nobody starts it again while a fault keeps it down."""

    async def start(self) -> None:
        """Start it; a server is awaited with `serves`."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self.environment,
                cwd=ROOT,
            )

    async def serves(self) -> bool:
        """Wait until it says that it serves; False when it ended before."""
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            while line := await self.process.stdout.readline():
                if b"ready" in line:
                    self._serves_at(int(line.rpartition(b":")[2]))
                    return True
            await self.process.wait()
        return False

    def _serves_at(self, port: int) -> None:
        """Lead clients there: a port of its own might be taken while it is down."""
        if self.service is not None:
            self.service.aim(port)

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.returncode is None

    async def kill(self) -> None:
        """End it as a crash does."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(SIGKILL)
        await self._gone()

    async def stop(self) -> None:
        """End it as an operator does, and by force when that takes too long."""
        if self.process is None:
            return
        if self.process.returncode is None:
            self.process.send_signal(SIGCONT)
            self.process.send_signal(SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._gone()
        except TimeoutError:
            await self.kill()

    def pause(self) -> None:
        """Freeze it."""
        assert self.process is not None
        self.process.send_signal(SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self.is_running:
            assert self.process is not None
            self.process.send_signal(SIGCONT)

    def set_clock(self, ahead: float) -> None:
        """Let its wall clock jump to be so many seconds ahead, and stay so."""
        assert self.ahead is not None
        self.ahead.write_text(str(ahead))
        if self.is_running:
            assert self.process is not None
            self.process.send_signal(SIGUSR1)

    async def _gone(self) -> None:
        if self.process is not None:
            await self.process.wait()


class Cluster:
    """All members by name: `orchestration-1`, `worker-2`, `zombie-1` and so on."""

    def __init__(
        self, stores: Stores, directory: Path, *, each: int, partitions: int, stack: AsyncExitStack
    ) -> None:
        self.stores = stores
        self.directory = directory
        self.members: dict[str, Member] = {}
        self._stack = stack
        self._partitions = partitions
        names = [f"{role}-{number}" for role in ROLES for number in range(1, each + 1)]
        self._names = names
        self._services: dict[str, Proxy] = {}

    def of(self, role: str) -> list[Member]:
        """Return the members of a role."""
        return [member for name, member in self.members.items() if name.rpartition("-")[0] == role]

    def addresses(self, role: str) -> list[str]:
        """Return where clients reach the members of a role."""
        return [
            f"127.0.0.1:{proxy.port}" for name, proxy in self._services.items() if name.startswith(f"{role}-")
        ]

    def proxies(self) -> list[Proxy]:
        """Return every piece of the network."""
        behind = [proxy for member in self.members.values() for proxy in member.proxies.values()]
        return [*behind, *self._services.values()]

    def service(self, name: str) -> Proxy:
        """Return the network in front of a member."""
        return self._services[name]

    async def start(self) -> None:
        """Bring the database up to date and start every server."""
        migrate = await asyncio.create_subprocess_exec(
            *COMMAND, "migrate", env=self._direct(), cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
        )
        assert await migrate.wait() == 0
        for name in self._names:
            self._services[name] = await self._stack.enter_async_context(Proxy(0))
            self.members[name] = await self._server(name)
        async with asyncio.TaskGroup() as tasks:
            for member in self.members.values():
                tasks.create_task(self.revive(member))

    async def revive(self, member: Member) -> None:
        """Start a member that ended, and wait until it serves.

        A server that meets a store which is away ends with an error, and is started
        again, as the supervisors of production do.
        """
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while not member.is_running:
            await member.start()
            if member.name.rpartition("-")[0] not in ROLES or await member.serves():
                break
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"{member.name} does not start: {member.log.read_text()[-2000:]}")
            await asyncio.sleep(_RESTART_SECONDS)
        member.is_expected = True

    async def add_worker(self, module: str, name: str, gateway: int) -> None:
        """Start a worker process, connected to one gateway through its network."""
        addresses = self.addresses("worker-control")
        log = self.directory / f"{name}.facts"
        member = Member(
            name,
            [sys.executable, "-m", module, addresses[gateway % len(addresses)], str(log), name],
            self._direct(),
            self.directory / f"{name}.log",
        )
        self.members[name] = member
        await member.start()

    async def heal(self) -> None:
        """Give everyone a working network, and life."""
        for proxy in self.proxies():
            await proxy.become(FAIR)
        for member in self.members.values():
            member.resume()
        await asyncio.gather(*(self.revive(member) for member in self.members.values()))

    async def stop(self) -> None:
        """End everything."""
        await asyncio.gather(*(member.stop() for member in self.members.values()))

    def environment(self, postgres_url: str, redis_url: str) -> dict[str, str]:
        """Return the settings of a process that reaches the stores by these addresses."""
        return {
            **os.environ,
            "FLOWMESH_POSTGRES_URL": postgres_url,
            "FLOWMESH_REDIS_URL": redis_url,
            "FLOWMESH_LOG_LEVEL": "warning",
            "FLOWMESH_LOG_FORMAT": "json",
            "FLOWMESH_GRACE_SECONDS": "3",
            "FLOWMESH_PARTITIONS": str(self._partitions),
            "FLOWMESH_LEASE_SECONDS": str(LEASE_SECONDS),
            "FLOWMESH_GATEWAY_LEASE_SECONDS": str(GATEWAY_LEASE_SECONDS),
            "FLOWMESH_WORKER_LEASE_SECONDS": str(WORKER_LEASE_SECONDS),
            "FLOWMESH_WORKER_BEAT_SECONDS": "0.5",
        }

    async def _server(self, name: str) -> Member:
        redis = await self._stack.enter_async_context(Proxy(self.stores.redis.socket))
        postgres = await self._stack.enter_async_context(Proxy(self.stores.postgres.socket))
        environment = self.environment(
            f"postgresql://flowmesh@127.0.0.1:{postgres.port}/flowmesh?sslmode=disable",
            f"redis://127.0.0.1:{redis.port}",
        )
        role = name.rpartition("-")[0]
        ahead = self.directory / f"{name}.ahead"
        ahead.write_text("0")
        server = [sys.executable, "-m", "tests.chaos.server_process", str(ahead)]
        arguments = [*server, "serve", role, "--listen", "127.0.0.1:0"]
        proxies = {"redis": redis, "postgres": postgres}
        log = self.directory / f"{name}.log"
        return Member(name, arguments, environment, log, proxies, self._services[name], ahead)

    def _direct(self) -> dict[str, str]:
        return self.environment(self.stores.postgres_url, self.stores.redis_url)


@asynccontextmanager
async def running_cluster(
    directory: Path, stores: Stores, *, each: int = 2, partitions: int = 16
) -> AsyncIterator[Cluster]:
    """Start `each` processes of every role on these stores."""
    async with AsyncExitStack() as stack:
        cluster = Cluster(stores, directory, each=each, partitions=partitions, stack=stack)
        try:
            await cluster.start()
            yield cluster
        finally:
            await cluster.stop()
