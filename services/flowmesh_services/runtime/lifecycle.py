"""From start to a graceful end of a server process."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from flowmesh_services.runtime.garbage import collect_rarely
from flowmesh_services.runtime.server import GrpcServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence

    from flowmesh_services.runtime.role import Background, ServedRole
    from flowmesh_services.runtime.server import ServerOptions

_log = structlog.get_logger()
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Shutdown:
    """The wish to end: first gracefully, when repeated without waiting, then on the spot.

    Attributes:
        requested: Set when the process shall finish its work and end.
        forced: Set when it shall not wait for anything.
    """

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.forced = asyncio.Event()
        self._starting: asyncio.Task[object] | None = None

    @contextmanager
    def on_signals(self) -> Iterator[Shutdown]:
        """Take the wish from SIGTERM, SIGINT and SIGHUP while the block runs.

        Until `serve` is reached there is nothing to finish: the task is cancelled.
        """
        loop = asyncio.get_running_loop()
        self._starting = asyncio.current_task()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield self
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def serving(self) -> None:
        """Let the wish be heeded gracefully from now on."""
        self._starting = None

    def _signalled(self, number: signal.Signals) -> None:
        if self.forced.is_set():
            os._exit(128 + number)
        if self.requested.is_set():
            self.forced.set()
        self.requested.set()
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None


class BackgroundEndedError(Exception):
    """A loop that runs until it is cancelled returned."""


async def serve(
    roles: Sequence[ServedRole],
    options: ServerOptions,
    shutdown: Shutdown,
    *,
    grace: float,
    on_ready: Callable[[str], None],
) -> None:
    """Serve roles until the shutdown is requested.

    Args:
        roles: What to serve.
        options: Where.
        shutdown: When to end.
        grace: Seconds for each step of a graceful end: draining, running calls, background loops.
        on_ready: Called with the address once everything runs.

    Raises:
        CannotListenError: The address cannot be used.
        ExceptionGroup: Background loops failed.
    """
    server = GrpcServer(options, roles)
    shutdown.serving()
    try:
        async with asyncio.TaskGroup() as group:
            address = await server.start()
            collect_rarely()
            loops = [
                group.create_task(_endless(loop), name=loop.name)
                for role in roles
                for loop in role.background
            ]
            on_ready(address)
            await shutdown.requested.wait()
            _log.info("stopping", grace=grace)
            await _unless_forced(shutdown, _wind_down(server, roles, grace))
            for loop in loops:
                loop.cancel()
    finally:
        await server.stop(0)


async def _endless(loop: Background) -> None:
    await loop.run()
    raise BackgroundEndedError(f"{loop.name} ended by itself")


async def _wind_down(server: GrpcServer, roles: Sequence[ServedRole], grace: float) -> None:
    """End in the order in which nobody is left waiting: tell, drain, then refuse."""
    await server.announce_stop()
    for role in roles:
        if role.drain is not None:
            await _within(grace, role.drain, role.name)
    await server.stop(grace)


async def _within(seconds: float, drain: Callable[[], Awaitable[None]], name: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await drain()
    except TimeoutError:
        _log.warning("could not drain in time", role=name, seconds=seconds)


async def _unless_forced(shutdown: Shutdown, winding_down: Coroutine[None, None, None]) -> None:
    async with asyncio.TaskGroup() as group:
        work = group.create_task(winding_down)
        force = group.create_task(shutdown.forced.wait())
        await asyncio.wait((work, force), return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        force.cancel()
