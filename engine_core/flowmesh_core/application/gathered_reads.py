"""Group reading: whatever is asked for while one statement runs goes into the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

from flowmesh_core.application.pace import rest_after
from flowmesh_core.domain.errors import StoreUnavailable

_LONGEST_REST = 0.005

K = TypeVar("K")
V = TypeVar("V")

_Wanted = tuple[K, asyncio.Future[V | None]]
"""What to read, and where the answer goes."""


class GatheredReads(Generic[K, V]):
    """Reads single things for many callers, many in a statement, one statement at a time."""

    def __init__(self, read_many: Callable[[Collection[K]], Awaitable[Mapping[K, V]]], limit: int) -> None:
        """Read with `read_many`, at most `limit` at once."""
        self._read_many = read_many
        self._limit = limit
        self._waiting: list[_Wanted[K, V]] = []
        self._reading: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """Return what there is when the statement runs that begins after this call; raises what it raises."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all(), name="gathered reads")
        return await answer

    async def _read_all(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                began = now()
                await self._read_or_cancel([each for each in batch if not each[1].done()])
                await asyncio.sleep(rest_after(len(batch), now() - began, _LONGEST_REST))
        finally:
            self._reading = None

    async def _read_or_cancel(self, batch: Sequence[_Wanted[K, V]]) -> None:
        try:
            await self._read(batch)
        except BaseException:  # the process ends
            for _, answer in batch:
                answer.cancel()
            raise

    async def _read(self, batch: Sequence[_Wanted[K, V]]) -> None:
        """Answer; what cannot be read is looked for by halves, and is an error for who asked for it alone."""
        keys = {key for key, _ in batch}
        try:
            found = await self._read_many(keys) if keys else {}
        except Exception as error:  # noqa: BLE001 - it is the callers' to see
            if isinstance(error, StoreUnavailable) or len(keys) == 1:
                _refuse(batch, error)
                return
        else:
            _answer(batch, found)
            return
        half = set(islice(keys, len(keys) // 2))
        await self._read([each for each in batch if each[0] in half])
        await self._read([each for each in batch if each[0] not in half])


def _refuse(batch: Iterable[_Wanted[K, V]], error: Exception) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(error)


def _answer(batch: Iterable[_Wanted[K, V]], found: Mapping[K, V]) -> None:
    for key, answer in batch:
        if not answer.done():  # its caller has not gone away
            answer.set_result(found.get(key))
