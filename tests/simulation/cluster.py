"""A simulated cluster: which processes there are, and how each dies and comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from random import Random
from typing import Any, Protocol

from flowmesh_core.application.worker_gateway.gateway import Gateway
from flowmesh_core.application.worker_gateway.session import Offer
from tests.simulation.clock import SimulatedClock
from tests.simulation.faults import Dice, Fault
from tests.simulation.loop import Process, SimulatedLoop
from tests.simulation.network import Broken, Calls, Stream
from tests.simulation.poller import PollWorker
from tests.simulation.processes import (
    ApiProcess,
    Backend,
    GatewayProcess,
    OwnerProcess,
    Ports,
    ReaperProcess,
)
from tests.simulation.trace import Trace
from tests.simulation.worker import StreamWorker
from tests.simulation.workflows import HANDLERS

_LONGEST_ABSENCE = 6.0
_LONGEST_FREEZE = 9.0
_SAME_MACHINE = 0.3
_SILENT = 0.25
_WITH_NET = 0.3
"""How many runs have owners look for tasks that are in no queue any more. In the others, nothing
may get lost in the first place."""


class Program(Protocol):
    """What a process runs."""

    async def run(self) -> None:
        """Run for as long as the process lives."""


class Cluster:
    """Starts, kills and freezes processes.

    Attributes:
        programs: What runs, by the name of its place; each restart puts a new one there.
        processes: The living processes by name.
        ports: The adapters of the servers among them.
        has_net: Whether owners look for tasks that are in no queue any more.
    """

    def __init__(self, loop: SimulatedLoop, rng: Random, dice: Dice, trace: Trace) -> None:
        self.loop = loop
        self.dice = dice
        self.programs: dict[str, Program] = {}
        self.processes: dict[str, Process] = {}
        self.ports: dict[str, Ports] = {}
        self.backend = Backend(loop, dice, lambda what: self.trace("judge", f"VIOLATION {what}"), self.crash)
        self.calls = Calls(loop, rng)
        self._rng = rng
        self._trace = trace
        self._numbers = count(1)
        self._lanes = rng.choice((1, 2))
        self._slots = rng.choice((1, 1, 2))
        self.has_net = rng.random() < _WITH_NET
        self._streams: dict[Stream, tuple[Process, Process]] = {}
        self._makers: dict[str, Callable[[Process], Program]] = {
            "owner-1": self._owner,
            "owner-2": self._owner,
            "gateway-1": self._gateway,
            "gateway-2": self._gateway,
            "reaper": self._reaper,
            "api": self._api,
            "worker-1": self._stream_worker,
            "worker-2": self._stream_worker,
            "worker-3": self._poll_worker,
        }

    def trace(self, process: str, what: str) -> None:
        """Note what happens now."""
        self._trace.add(self.loop.time(), process, what)

    async def start(self) -> None:
        """Start everything."""
        await self.backend.create()
        for name in self._makers:
            self._start(name)

    def crash(self, process: Process) -> None:
        """End a process as kill -9 does; it is started again after a while."""
        if not process.alive:
            return
        self.trace(process.name, "dies")
        process.alive = False
        process.held = []
        self._cut_streams(process)
        delay = self._rng.random() * _LONGEST_ABSENCE
        self.loop.in_world(delay, self._start, process.name)

    def freeze(self, process: Process) -> None:
        """Stop a process as SIGSTOP does; it goes on after a while."""
        if process.frozen:
            return
        self.trace(process.name, "stands still")
        process.frozen = True
        self.loop.in_world(self._rng.random() * _LONGEST_FREEZE, self.thaw, process)

    def thaw(self, process: Process) -> None:
        """Let a process go on."""
        if process.frozen and process.alive:
            self.trace(process.name, "goes on")
            self.loop.thaw(process)

    def strike(self, process: Process, fault: Fault) -> None:
        """Do to a process what a fault within it says."""
        (self.crash if fault in (Fault.CRASH, Fault.CRASH_WITHIN) else self.freeze)(process)

    def owners(self) -> list[OwnerProcess]:
        """Return the orchestrators."""
        return [each for each in self.programs.values() if isinstance(each, OwnerProcess)]

    def gateways(self) -> list[GatewayProcess]:
        """Return the gateways."""
        return [each for each in self.programs.values() if isinstance(each, GatewayProcess)]

    def workers(self) -> list[StreamWorker]:
        """Return the workers with streams."""
        return [each for each in self.programs.values() if isinstance(each, StreamWorker)]

    def api(self) -> ApiProcess:
        """Return the process that callers call."""
        found = self.programs["api"]
        assert isinstance(found, ApiProcess)
        return found

    def _start(self, name: str) -> None:
        if name in self.processes and self.processes[name].alive:
            return
        process = Process(name, next(self._numbers))
        self.processes[name] = process
        program = self._makers[name](process)
        self.programs[name] = program
        self.trace(name, "starts")
        self.loop.spawn(process, self._run(process, program))

    async def _run(self, process: Process, program: Program) -> None:
        try:
            await program.run()
        except Exception as error:  # noqa: BLE001 - the process would end here
            self.backend.judge.object_to(f"{process.name} ended by {error!r}")
        else:
            self.backend.judge.object_to(f"{process.name} ended by itself")

    def _cut_streams(self, process: Process) -> None:
        """Break the streams of a process that died, some without a word; some workers die with it."""
        for stream, (worker, gateway) in list(self._streams.items()):
            if process not in (worker, gateway):
                continue
            self._streams.pop(stream, None)
            if process is gateway and self._rng.random() < _SAME_MACHINE:
                self.crash(worker)
            if self._rng.random() < _SILENT:
                stream.fall_silent()
            else:
                stream.cut()

    def _ports(self, process: Process) -> Ports:
        former = self.ports.get(process.name)
        self.ports[process.name] = ports = Ports(self.backend, process, self.strike, self.trace, former)
        return ports

    def clocks(self) -> list[SimulatedClock]:
        """Return the wall clocks of the machines of all servers, one for each."""
        return [ports.machine_clock for ports in self.ports.values()]

    def _owner(self, process: Process) -> Program:
        return OwnerProcess(self._ports(process), self._lanes, has_net=self.has_net)

    def _gateway(self, process: Process) -> Program:
        return GatewayProcess(self._ports(process))

    def _reaper(self, process: Process) -> Program:
        return ReaperProcess(self._ports(process))

    def _api(self, process: Process) -> Program:
        return ApiProcess(self._ports(process))

    def _stream_worker(self, process: Process) -> Program:
        offer = Offer("default", None if process.name == "worker-1" else frozenset(HANDLERS[:1]))

        def connect() -> Stream:
            stream = Stream(self.loop, self._rng)
            gateway = self._rng.choice(self.gateways())
            self._streams[stream] = (process, gateway.process)
            if gateway.process.alive:
                self.loop.spawn(gateway.process, gateway.serve(stream))
            else:
                stream.cut()
            return stream

        return StreamWorker(process.name, offer, self.dice, self.backend.judge, connect, self._slots)

    def _poll_worker(self, process: Process) -> Program:
        async def call(method: Callable[[Gateway], Awaitable[Any]]) -> Any:
            gateway = self._rng.choice(self.gateways())

            async def serve() -> Any:
                return await method(gateway.host.gateway)

            if not gateway.process.alive:
                raise Broken
            return await self.calls.call(gateway.process, serve)

        return PollWorker(
            process.name, Offer("default", frozenset(HANDLERS)), self.dice, self.backend.judge, call
        )
