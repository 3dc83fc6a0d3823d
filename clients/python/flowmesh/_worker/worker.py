"""The worker that users make."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from flowmesh import _task
from flowmesh._channel import TLS
from flowmesh._defaults import address_or_default, namespace_or_default
from flowmesh._worker.runner import Runner
from flowmesh._worker.session import Session
from flowmesh._worker.stream import Connection
from flowmesh.v1 import worker_control_service_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

_STOP_SECONDS = 5.0
_LAST_REPORT_SECONDS = 2.0


class Worker:
    """Runs tasks for the engine.

        Worker(tasks=[fetch, parse]).run_forever()

    Beside other code on one loop, `async with Worker(…):` runs it meanwhile.

    It reconnects for ever, and keeps results until the engine has stored them.
    Plain functions run in threads, async ones on the loop that `run` runs on.
    Its beats come from other threads: a handler that blocks its loop stays alive.

    Args:
        address: Host and port; FLOWMESH_ADDRESS or this machine by default.
        tasks: Functions made tasks by `@task`, or a module that holds them.
        slots: How many tasks run at once.
        worker_id: What it calls itself; from the host and the process by default.
        namespace: The namespace to work for; FLOWMESH_NAMESPACE or `default` by default.
        tls: How to talk TLS; None talks plain text.
        labels: Words about it.
        grace: How long running handlers may go on after a stop was asked for.
        dry_run: Takes every handler of the namespace and returns the config as the output.

    Raises:
        TypeError: One of the tasks is not a task.
        ValueError: There are no tasks, two have one name, or there is no slot.
    """

    def __init__(
        self,
        address: str = "",
        *,
        tasks: Iterable[Callable[..., Any]] | ModuleType = (),
        slots: int = 10,
        worker_id: str = "",
        namespace: str = "",
        tls: TLS | None = None,
        labels: Mapping[str, str] | None = None,
        grace: timedelta = timedelta(seconds=30),
        dry_run: bool = False,
    ) -> None:
        self._tasks = None if dry_run else _task.definitions(tasks)
        if slots < 1:
            raise ValueError("a worker needs at least one slot")
        if self._tasks is not None and not self._tasks:
            raise ValueError("a worker needs at least one function with @task")
        self.worker_id = worker_id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._address, self._tls = address_or_default(address), tls
        self._grace = grace.total_seconds()
        self._session = Session(slots)
        self._hello = wire.Hello(
            namespace=namespace_or_default(namespace),
            worker_id=self.worker_id,
            handlers=sorted(self._tasks or ()),
            all_handlers=dry_run,
            slots=slots,
            labels=dict(labels or {}),
            protocol_versions=[1],
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None
        self._background: asyncio.Task[None] | None = None
        self._stop, self._hurry, self._idle = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> Self:
        self._background = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if kind is not None:
            self.stop()
        if self._background is not None:
            await self._background

    @property
    def healthy(self) -> bool:
        """Whether the stream is alive and its beats are answered."""
        return self._connection is not None and self._connection.is_healthy

    def run_forever(self) -> None:
        """Run until SIGTERM or SIGINT, then drain. A second signal skips the grace."""
        asyncio.run(self._run_with_signals())

    async def run(self) -> None:
        """Run until `stop`, then drain. A cancel stops the handlers at once.

        Raises:
            RuntimeError: The worker ran before; make a new one.
        """
        if self._loop is not None:
            raise RuntimeError("a worker runs only once")
        self._loop = asyncio.get_running_loop()
        runner = Runner(self._tasks, self._session, self._loop)
        connection = Connection(self._address, self._tls, self._hello, self._session, runner.start)
        self._connection = connection
        connection.open()
        try:
            await self._stop.wait()
            await self._drain()
        finally:
            self._session.take_no_more()
            self._session.interrupt()
            await runner.close()
            await self._loop.run_in_executor(None, connection.close)

    def stop(self) -> None:
        """Ask the worker to drain and end; a second call skips the grace. Safe in any thread."""
        if self._loop is None:
            self._stop.set()
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the worker ended
                self._loop.call_soon_threadsafe(self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(self._idle.set)

        self._session.drain(tell)
        if await self._is_idle_within(self._grace):
            return
        self._session.interrupt()
        self._hurry.clear()
        if await self._is_idle_within(_STOP_SECONDS):
            return
        self._session.give_up()
        await self._is_idle_within(_LAST_REPORT_SECONDS)

    async def _is_idle_within(self, seconds: float) -> bool:
        """Wait until nothing runs and nothing is owed; less long when told to hurry."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._idle, self._hurry)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._idle.is_set()

    async def _run_with_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Only the main thread of a POSIX process can; elsewhere `stop` remains.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.stop)
        await self.run()
