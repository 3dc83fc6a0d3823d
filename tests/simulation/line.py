"""The way between a process and a store, on which things go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from flowmesh_core.domain.errors import StoreUnavailable
from tests.simulation.faults import Dice, Fault
from tests.simulation.loop import Process

T = TypeVar("T")


class Weather:
    """How the stores and the ways to them are just now.

    Attributes:
        away: Stores that do not answer.
        slowness: How many times slower than usual everything is.
    """

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.slowness = 1.0


class Line:
    """What one process and one store say to each other."""

    def __init__(
        self,
        process: Process,
        store: str,
        dice: Dice,
        weather: Weather,
        strike: Callable[[Process, Fault], None],
        trace: Callable[[str, str], None],
    ) -> None:
        self.process = process
        self.dice = dice
        self._store = store
        self._weather = weather
        self._strike = strike
        self._trace = trace

    async def call(
        self, name: str, act: Callable[[], Awaitable[T]], lost: type[Exception] | None = None
    ) -> T:
        """Have `act` done at the store; `lost` is raised when its answer does not come back.

        Raises:
            StoreUnavailable: It was not done; or it was, and `lost` is not given.
        """
        self._trace(self.process.name, name)
        await self.travel()
        if self._store in self._weather.away or self.dice.strikes(Fault.REFUSED):
            raise StoreUnavailable(f"{self._store} does not answer")
        result = await act()
        await self.travel()
        if self._store in self._weather.away or self.dice.strikes(Fault.ANSWER_LOST):
            self._trace(self.process.name, f"{name}: the answer is lost")
            raise (lost or StoreUnavailable)(f"{self._store} did not answer")
        return result

    async def travel(self) -> None:
        """Let time pass, in which the process may die or stand still."""
        for fault in (Fault.CRASH_WITHIN, Fault.FREEZE_WITHIN):
            if self.dice.strikes(fault):
                self._strike(self.process, fault)
        await asyncio.sleep(self.dice.rng.expovariate(1000) * self._weather.slowness)


class _Behind:
    def __init__(self, line: Line, twin: object) -> None:
        self._line = line
        self._twin = twin

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._twin, name)
        if not iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._line.call(name, partial(method, *args, **kwargs))

        self.__dict__[name] = call
        return call


def behind(line: Line, twin: T) -> T:
    """Return a port whose every call goes over a line to its twin."""
    return cast("T", _Behind(line, twin))
