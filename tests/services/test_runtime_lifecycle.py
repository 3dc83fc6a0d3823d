"""How a process of any role ends."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from flowmesh_services.runtime.lifecycle import BackgroundEndedError, Shutdown, serve
from flowmesh_services.runtime.role import Background, ServedRole
from flowmesh_services.runtime.server import ServerOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_OPTIONS = ServerOptions(listen="127.0.0.1:0", max_message_bytes=1024)


class _Trace:
    """What a role did, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def loop(self) -> None:
        self.events.append("loop runs")
        try:
            await asyncio.Event().wait()
        finally:
            self.events.append("loop ends")

    async def drain(self) -> None:
        self.events.append("drains")

    async def drain_for_ever(self) -> None:
        self.events.append("drains")
        await asyncio.Event().wait()


async def _serve(
    role: ServedRole, shutdown: Shutdown, on_ready: Callable[[str], None], grace: float = 30
) -> None:
    await serve([role], _OPTIONS, shutdown, grace=grace, on_ready=on_ready)


def _role(
    loop: Callable[[], Awaitable[None]], drain: Callable[[], Awaitable[None]] | None = None
) -> ServedRole:
    return ServedRole("test", background=(Background("test-loop", loop),), drain=drain)


async def test_a_signal_drains_then_ends_the_background() -> None:
    trace, shutdown = _Trace(), Shutdown()

    def signal_ourselves(_: str) -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)

    with shutdown.on_signals():
        await _serve(_role(trace.loop, trace.drain), shutdown, signal_ourselves)
    assert trace.events == ["loop runs", "drains", "loop ends"]


async def test_a_second_signal_does_not_wait_for_the_drain() -> None:
    trace, shutdown = _Trace(), Shutdown()

    async def drain() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await trace.drain_for_ever()

    def signal_ourselves(_: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with shutdown.on_signals():
        await _serve(_role(trace.loop, drain), shutdown, signal_ourselves)
    assert trace.events == ["loop runs", "drains", "loop ends"]


async def test_a_drain_that_hangs_gets_its_grace_and_no_more() -> None:
    trace, shutdown = _Trace(), Shutdown()
    await _serve(
        _role(trace.loop, trace.drain_for_ever), shutdown, lambda _: shutdown.requested.set(), grace=0.05
    )
    assert trace.events == ["loop runs", "drains", "loop ends"]


async def test_a_failed_loop_ends_the_process() -> None:
    async def failing() -> None:
        raise ConnectionError("gone")

    with pytest.RaisesGroup(pytest.RaisesExc(ConnectionError, match="gone")):
        await _serve(_role(failing), Shutdown(), lambda _: None)


async def test_a_loop_that_returns_is_a_failure() -> None:
    async def returning() -> None:
        return

    with pytest.RaisesGroup(pytest.RaisesExc(BackgroundEndedError, match="test-loop")):
        await _serve(_role(returning), Shutdown(), lambda _: None)
