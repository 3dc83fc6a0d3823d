"""What goes wrong, and how it is healed. Every fault leaves the system as it found it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from signal import SIGKILL

from tests.chaos.cluster import LEASE_SECONDS, Cluster, Member
from tests.chaos.proxy import CUT, DEAF, DRIP, FAIR, MUTE, Proxy, Weather

_OUTAGE_SECONDS = 1.0
_PAUSE_SECONDS = LEASE_SECONDS + 1.5
_KEPT = "older-aof"
SERVERS = ("orchestration", "worker-control", "submission", "reaper")


@dataclass(frozen=True)
class Scene:
    """Where a fault happens: the cluster, and chance."""

    cluster: Cluster
    rng: Random

    def any_of(self, role: str) -> Member:
        """Choose a member of a role."""
        return self.rng.choice(self.cluster.of(role))


Fault = Callable[[Scene], Awaitable[None]]


def killed(role: str) -> Fault:
    """`kill -9` of one process, which an operator's supervisor starts again."""

    async def fault(scene: Scene) -> None:
        member = scene.any_of(role)
        member.is_expected = False
        await member.kill()
        await asyncio.sleep(_OUTAGE_SECONDS)
        await scene.cluster.revive(member)

    return fault


def paused(role: str) -> Fault:
    """SIGSTOP for longer than every lease of servers, then SIGCONT: the process is a zombie owner."""

    async def fault(scene: Scene) -> None:
        member = scene.any_of(role)
        member.pause()
        try:
            await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            member.resume()

    return fault


def clock_jumped(seconds: float) -> Fault:
    """The wall clock of one server jumps, is still wrong when the server starts again, and jumps back."""

    async def fault(scene: Scene) -> None:
        member = scene.any_of(scene.rng.choice(SERVERS))
        member.set_clock(seconds)
        await asyncio.sleep(_OUTAGE_SECONDS)
        member.is_expected = False
        await member.kill()
        await scene.cluster.revive(member)
        await asyncio.sleep(_OUTAGE_SECONDS)
        member.set_clock(0)

    return fault


async def redis_killed(scene: Scene) -> None:
    """`kill -9` of Redis, and a start on the same data."""
    await scene.cluster.stores.restart(scene.cluster.stores.redis)


async def postgres_killed(scene: Scene) -> None:
    """`kill -9` of the postmaster, and a start on the same data."""
    await scene.cluster.stores.restart(scene.cluster.stores.postgres)


async def backends_killed(scene: Scene) -> None:
    """`kill -9` of processes of PostgreSQL, which makes it restart itself."""
    stores = scene.cluster.stores
    victims = (await stores.backends())[:2]
    async with stores.postgres_restarts_itself() as witness:
        for pid in (*victims, witness):
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)


async def redis_emptied(scene: Scene) -> None:
    """FLUSHALL."""
    await scene.cluster.stores.flush_redis()


async def stream_deleted(scene: Scene) -> None:
    """Loss of one stream of commands and of one of tasks."""
    for pattern in ("fm:*:commands", "fm:*:tasks:*"):
        await scene.cluster.stores.delete_streams(pattern, 1)


async def redis_older(scene: Scene) -> None:
    """A restart of Redis from append-only files of a few seconds ago."""
    stores = scene.cluster.stores
    kept = scene.cluster.directory / _KEPT
    await stores.copy_aof(kept)
    await asyncio.sleep(_OUTAGE_SECONDS)
    await stores.restart(stores.redis, stores.older_aof(kept))


def stormy_store(weather: Weather, store: str) -> Fault:
    """Bad weather between one process and a store, for longer than a lease."""

    async def fault(scene: Scene) -> None:
        member = scene.any_of(scene.rng.choice(SERVERS))
        await _for_a_while(member.proxies[store], weather)

    return fault


def stormy_service(weather: Weather, role: str) -> Fault:
    """Bad weather between the clients and one process."""

    async def fault(scene: Scene) -> None:
        await _for_a_while(scene.cluster.service(scene.any_of(role).name), weather)

    return fault


def half_open(*roles: str, clients: bool = False) -> Fault:
    """Connections of one process that lost their other side without a word: to its stores, or its clients."""

    async def fault(scene: Scene) -> None:
        member = scene.any_of(scene.rng.choice(roles))
        network = [scene.cluster.service(member.name)] if clients else list(member.proxies.values())
        for proxy in network:
            proxy.half_open()
        await asyncio.sleep(_OUTAGE_SECONDS)

    return fault


async def _for_a_while(proxy: Proxy, weather: Weather) -> None:
    await proxy.become(weather)
    try:
        await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        await proxy.become(FAIR)


STORE_FAULTS: dict[str, Fault] = {
    "redis killed": redis_killed,
    "redis emptied": redis_emptied,
    "redis older": redis_older,
    "stream deleted": stream_deleted,
    "postgres killed": postgres_killed,
    "postgres backends killed": backends_killed,
}
"""What happens to the stores themselves; only one at a time."""

_WEATHERS = {
    "cut": CUT,
    "deaf": DEAF,
    "mute": MUTE,
    "slow 1 ms": Weather(delay=0.001),
    "slow 50 ms": Weather(delay=0.05),
    "slow 250 ms": Weather(delay=0.25),
    "drips": DRIP,
}
_JUMPS = {"1 h ahead": 3600.0, "1 h behind": -3600.0, "30 s ahead": 30.0, "30 s behind": -30.0}
_SERVICES = {"submitters": "submission", "clients": "orchestration", "workers": "worker-control"}

PROCESS_FAULTS: dict[str, Fault] = {
    **{f"{role} killed": killed(role) for role in (*SERVERS, "worker", "zombie")},
    **{f"{role} paused": paused(role) for role in (*SERVERS, "worker")},
    **{
        f"{store} {name}": stormy_store(weather, store)
        for store in ("redis", "postgres")
        for name, weather in _WEATHERS.items()
    },
    **{
        f"{who} {name}": stormy_service(weather, role)
        for who, role in _SERVICES.items()
        for name, weather in _WEATHERS.items()
    },
    **{f"clock {name}": clock_jumped(seconds) for name, seconds in _JUMPS.items()},
    "stores half-open": half_open(*SERVERS),
    "submitters half-open": half_open("submission", clients=True),
    "workers half-open": half_open("worker-control", clients=True),
}
"""What happens to one process or its network; may come together with a fault of the stores."""

SLOW_FAULTS: dict[str, Fault] = {"clients half-open": half_open("orchestration", clients=True)}
"""What takes longer to be noticed than a short run lasts: the pings of gRPC are 30 s apart."""
