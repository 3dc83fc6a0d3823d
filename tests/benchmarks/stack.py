"""The system as production runs it: a process per role, real servers, workers and clients beside them."""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flowmesh_services.embedded import EmbeddedServers
from tests.acceptance.processes import COMMAND, ready_address
from tests.benchmarks import accounting
from tests.benchmarks.client_process import Done, Job
from tests.benchmarks.observer import Observer, observing
from tests.benchmarks.stores import Gauges, gauges
from tests.upgrade.versions import import_roots

_STOP_SECONDS = 30
_JOB_SECONDS = 600


@dataclass(frozen=True)
class Shape:
    """How many processes of each kind there are.

    Attributes:
        sessions: The workers in each worker process.
        slots: How many tasks each of them runs at once.
        together: Whether one process has all roles.
        settings: Environment variables of the roles.
        tree: The code to run, when it is not that of this repository.
    """

    orchestrations: int = 1
    gateways: int = 1
    submissions: int = 1
    workers: int = 2
    clients: int = 2
    sessions: int = 1
    slots: int = 200
    together: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    tree: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes."""
        chosen = {} if self.tree is None else {"PYTHONPATH": import_roots(self.tree)}
        return {**os.environ, **chosen, **self.settings}


@dataclass
class Client:
    """A client process, idle between jobs."""

    process: subprocess.Popen[str]

    async def run(self, job: Job) -> Done:
        """Give it a job and wait until it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(job)) + "\n")
        self.process.stdin.flush()
        async with asyncio.timeout(_JOB_SECONDS):
            line = await asyncio.to_thread(self.process.stdout.readline)
        assert line, "a client ended; its error is above"
        return Done(**json.loads(line))


@dataclass
class Stack:
    """A running system.

    Attributes:
        database: Where its history can be read.
        redis: Where its transport is.
        observer: Reads the database for the benchmark.
        gauges: Read what the stores were asked to do.
        processes: The process ids by name.
        clients: The clients.
    """

    database: str
    redis: str
    shape: Shape
    observer: Observer
    gauges: Gauges
    processes: dict[str, int] = field(default_factory=dict)
    clients: list[Client] = field(default_factory=list)
    _counters: list[mmap.mmap] = field(default_factory=list)
    _addresses: dict[str, list[str]] = field(default_factory=dict)

    def handled(self) -> int:
        """Return how many calls of handlers there have been, over all workers."""
        return sum(struct.unpack_from("Q", counter)[0] for counter in self._counters)

    def addresses(self, role: str) -> Sequence[str]:
        """Return where the processes of a role listen."""
        return self._addresses[role]

    def usage(self) -> accounting.Usage:
        """Return what each process used so far, without what the observer cost."""
        used = accounting.usage({**self.processes, "observer": self.observer.pid})
        cpu = dict(used.cpu)
        cpu["postgres"] -= cpu.pop("observer")
        peaks = {name: peak for name, peak in used.peak_mib.items() if name != "observer"}
        return accounting.Usage(cpu, peaks, used.machine)

    @contextmanager
    def workers(self, handlers: Collection[str]) -> Iterator[None]:
        """Run workers for these handlers."""
        gateways = self._addresses["worker-control"]
        with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
            for number in range(self.shape.workers):
                path = Path(folder) / f"{number}"
                path.write_bytes(bytes(8))
                with path.open("r+b") as file:
                    self._counters.append(mmap.mmap(file.fileno(), 8))
                arguments = (gateways[number % len(gateways)], self.shape.sessions, self.shape.slots, path)
                process = stack.enter_context(self._python("worker_process", *map(str, arguments)))
                assert process.stdin is not None
                process.stdin.write(json.dumps(sorted(handlers)))
                process.stdin.close()
                self.processes[f"worker-{number + 1}"] = process.pid
            try:
                yield
            finally:
                self._counters.clear()

    def start_clients(self, stack: ExitStack) -> None:
        """Start the clients, which end with the stack."""
        for number in range(self.shape.clients):
            doors = [self._addresses[role] for role in ("submission", "orchestration")]
            process = stack.enter_context(
                self._python("client_process", *(door[number % len(door)] for door in doors))
            )
            self.clients.append(Client(process))
            self.processes[f"client-{number + 1}"] = process.pid

    def start_roles(self, stack: ExitStack, database: str) -> None:
        """Start the roles, which end with the stack, and wait until they serve."""
        environment = {
            "FLOWMESH_POSTGRES_URL": database,
            "FLOWMESH_REDIS_URL": self.redis,
            "FLOWMESH_LOG_LEVEL": "warning",
            **self.shape.environment(),
        }
        subprocess.run([*COMMAND, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
        listen = ("--listen", "127.0.0.1:0")
        started = [
            (roles, stack.enter_context(_started([*COMMAND, "serve", *roles, *listen], environment)))
            for roles in self._members()
        ]
        for roles, process in started:
            address = ready_address(process)
            for role in roles:
                self._addresses.setdefault(role, []).append(address)
            name = roles[0] if len(roles) == 1 else "all-roles"
            self.processes[f"{name}-{len(self._addresses[roles[0]])}"] = process.pid

    def _members(self) -> Iterator[tuple[str, ...]]:
        """Yield the roles of each process."""
        counts = {
            "submission": self.shape.submissions,
            "orchestration": self.shape.orchestrations,
            "worker-control": self.shape.gateways,
            "reaper": 1,
        }
        if self.shape.together:
            yield tuple(counts)
            return
        for role, count in counts.items():
            yield from ((role,) for _ in range(count))

    def _python(self, module: str, *arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
        return python_process(module, *arguments, environment=self.shape.environment())


@asynccontextmanager
async def running(shape: Shape) -> AsyncIterator[Stack]:
    """Start everything but the workers, on servers that are as durable as in production."""
    async with (
        EmbeddedServers() as servers,
        running_on(servers.postgres_url, servers.redis_url, shape) as stack,
    ):
        yield stack


@asynccontextmanager
async def running_on(database: str, redis: str, shape: Shape, via: str = "") -> AsyncIterator[Stack]:
    """Start everything but the workers, on servers that this process runs.

    Args:
        database: An empty database.
        redis: Where the transport is.
        shape: What to start.
        via: How the system gets to the database, when it is another way.
    """
    async with observing(database) as observer, gauges(redis, observer) as read:
        made = Stack(database, redis, shape, observer, read)
        made.processes |= _servers()
        with ExitStack() as stack:
            made.start_roles(stack, via or database)
            made.start_clients(stack)
            await _owners_are_up(made)
            yield made


async def _owners_are_up(stack: Stack) -> None:
    """Wait until every partition has an owner."""
    async with asyncio.timeout(30):
        while await stack.observer.value("SELECT count(*) FROM flowmesh.partition WHERE owner IS NULL"):
            await asyncio.sleep(0.05)


def _servers() -> dict[str, int]:
    """Find the embedded servers among the children of this process."""
    found: dict[str, int] = {}
    for pid in accounting.descendants(os.getpid()):
        program = Path(accounting.command(pid).split(" ")[0]).name
        if program in {"postgres", "valkey-server", "redis-server"}:
            found.setdefault("postgres" if program == "postgres" else "redis", pid)
    return found


def python_process(
    module: str, *arguments: str, environment: Mapping[str, str] = os.environ
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run a module of this package until the block ends."""
    return _started([sys.executable, "-m", f"tests.benchmarks.{module}", *arguments], environment)


@contextmanager
def _started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a process from the repository's root until the block ends."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        finally:
            process.kill()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()
