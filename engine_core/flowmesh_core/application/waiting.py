"""Waiting for a signal, but not for ever."""

from __future__ import annotations

import asyncio

from flowmesh_core.ports.clock import Clock


async def wait_for(signal: asyncio.Event, clock: Clock, seconds: float) -> bool:
    """Return True as soon as `signal` is set, False after `seconds` on the clock."""
    if signal.is_set():
        return True
    waits = {asyncio.ensure_future(signal.wait()), asyncio.ensure_future(clock.sleep(seconds))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return signal.is_set()
