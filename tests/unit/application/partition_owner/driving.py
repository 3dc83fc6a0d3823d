"""Moving a virtual clock while loops run on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

from flowmesh_core.adapters.memory.clock import VirtualClock

_STEPS = 5_000
_YIELDS = 30


async def until(clock: VirtualClock, condition: Callable[[], Awaitable[bool]]) -> None:
    """Let tasks run, and the time go on whenever they all wait, until `condition` holds."""
    for _ in range(_STEPS):
        for _ in range(_YIELDS):
            await asyncio.sleep(0)
        if await condition():
            return
        wake = clock.next_wake()
        if wake is not None:
            clock.advance(wake)
    raise AssertionError("it never came to pass")


@asynccontextmanager
async def running(work: Coroutine[object, object, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run something beside the test, and not longer than it."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
