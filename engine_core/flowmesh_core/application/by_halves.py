"""Reading many things at once although one of them may be what this code cannot read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from flowmesh_core.ports.undecodable import Undecodable

K = TypeVar("K")
R = TypeVar("R")


async def read_by_halves(
    keys: Sequence[K],
    read: Callable[[Sequence[K]], Awaitable[R]],
    leave_out: Callable[[K, Undecodable], None],
) -> list[R]:
    """Return what `read` returns for all keys, in as many parts as it takes.

    Args:
        keys: What to read.
        read: Reads many at once; it may raise `Undecodable` because of one.
        leave_out: Is told of each that cannot be read; the others are read by halves.
    """
    try:
        return [await read(keys)]
    except Undecodable as error:
        if len(keys) == 1:
            leave_out(keys[0], error)
            return []
    middle = len(keys) // 2
    first = await read_by_halves(keys[:middle], read, leave_out)
    return first + await read_by_halves(keys[middle:], read, leave_out)
