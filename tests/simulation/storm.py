"""Faults that come out of the blue, and the calm after them."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

from flowmesh_core.adapters.memory.transport import Log, MemoryTransport
from flowmesh_core.domain.time import SECOND, Micros
from tests.simulation.cluster import Cluster
from tests.simulation.faults import BY_THEMSELVES, Dice, Fault

_LONGEST_OUTAGE = 4.0
_HOUR = 3_600 * SECOND
_SNAPSHOTS = 4


class Storm:
    """Lets faults happen to a cluster until it is told to heal it."""

    def __init__(self, cluster: Cluster, dice: Dice) -> None:
        self._cluster = cluster
        self._dice = dice
        self._rng: Random = dice.rng
        self._snapshots: deque[SimpleNamespace] = deque(maxlen=_SNAPSHOTS)
        self._acts: dict[Fault, Callable[[], None]] = {
            Fault.CRASH: lambda: self._cluster.crash(self._victim()),
            Fault.FREEZE: lambda: self._cluster.freeze(self._victim()),
            Fault.REDIS_EMPTY: self._empty_redis,
            Fault.REDIS_OLD: self._age_redis,
            Fault.QUEUE_GONE: self._delete_queue,
            Fault.REDIS_AWAY: lambda: self._take_away("Redis"),
            Fault.POSTGRES_AWAY: lambda: self._take_away("PostgreSQL"),
            Fault.LISTENERS_CUT: cluster.backend.transport.interrupt,
            Fault.SLOW_STORES: self._slow_down,
            Fault.CLOCK_JUMP: self._jump,
            Fault.DATABASE_CLOCK_JUMP: self._jump_database,
            Fault.STREAM_CUT: lambda: self._break_stream(silently=False),
            Fault.STREAM_SILENT: lambda: self._break_stream(silently=True),
            Fault.WORKER_CRASH: self._crash_worker,
        }

    async def blow(self) -> None:
        """Let faults happen, as often as the dice say."""
        able = [fault for fault in BY_THEMSELVES if fault in self._dice.enabled]
        if not self._cluster.has_net and Fault.QUEUE_GONE in able:
            able.remove(Fault.QUEUE_GONE)
        while able:
            await asyncio.sleep(self._dice.interval())
            if not self._dice.on:
                return
            if Fault.REDIS_OLD in able:
                self._snapshots.append(SimpleNamespace(**_kept(self._cluster.backend.transport)))
            fault = self._rng.choice(able)
            self._dice.note(fault)
            self._acts[fault]()

    def heal(self) -> None:
        """End all faults: stores answer and processes run. Clocks of machines stay wrong."""
        cluster, backend = self._cluster, self._cluster.backend
        cluster.trace("world", "HEALS")
        self._dice.on = False
        backend.weather.away.clear()
        backend.weather.slowness = 1.0
        for process in list(cluster.processes.values()):
            cluster.thaw(process)

    def _victim(self) -> Any:
        return self._rng.choice(
            [each for name, each in self._cluster.processes.items() if "worker" not in name]
        )

    def _empty_redis(self) -> None:
        transport = self._cluster.backend.transport
        transport.lose_everything()
        transport.interrupt()

    def _delete_queue(self) -> None:
        queues = self._cluster.backend.transport.queues
        if queues:
            del queues[self._rng.choice(list(queues))]

    def _age_redis(self) -> None:
        transport = self._cluster.backend.transport
        for name, value in _kept(self._rng.choice(self._snapshots)).items():
            setattr(transport, name, value)
        transport.interrupt()
        transport.wake()

    def _take_away(self, store: str) -> None:
        away = self._cluster.backend.weather.away
        away.add(store)
        self._cluster.loop.in_world(self._rng.random() * _LONGEST_OUTAGE, away.discard, store)

    def _slow_down(self) -> None:
        weather = self._cluster.backend.weather
        weather.slowness = self._rng.choice((20.0, 300.0))
        self._cluster.loop.in_world(self._rng.random() * _LONGEST_OUTAGE, setattr, weather, "slowness", 1.0)

    def _jump(self) -> None:
        clock = self._rng.choice(self._cluster.clocks())
        clock.offset = Micros(self._rng.choice((-_HOUR, _HOUR, -SECOND, SECOND, 0)))

    def _jump_database(self) -> None:
        clock = self._cluster.backend.database_clock
        clock.offset = Micros(clock.offset + self._rng.choice((_HOUR, SECOND)))

    def _break_stream(self, *, silently: bool) -> None:
        stream = self._rng.choice(self._cluster.workers()).stream
        if stream is not None:
            (stream.fall_silent if silently else stream.cut)()

    def _crash_worker(self) -> None:
        names = [name for name in self._cluster.processes if "worker" in name]
        self._cluster.crash(self._cluster.processes[self._rng.choice(names)])


def _kept(transport: MemoryTransport | SimpleNamespace) -> dict[str, Any]:
    """Copy what Redis holds; readers of logs notice when they are put back to it."""
    logs = defaultdict(Log, {p: Log(dict(log.entries), None, log.place) for p, log in transport.logs.items()})
    queues = {
        name: replace(queue, waiting=dict(queue.waiting), pending=dict(queue.pending))
        for name, queue in transport.queues.items()
    }
    dispatched = defaultdict(dict, {p: dict(each) for p, each in transport.dispatched.items()})
    return {
        "logs": logs,
        "queues": queues,
        "dispatched": dispatched,
        "gateways": set(transport.gateways),
        "workers": dict(transport.workers),
        "buckets": dict(transport.buckets),
    }
