"""A worker as a user would run it; counts its calls where others can read them.

`python -m tests.benchmarks.worker_process ADDRESS SLOTS COUNTER < HANDLERS`
"""

from __future__ import annotations

import json
import mmap
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from flowmesh import Worker, task

Handler = Callable[[object], Awaitable[object]]


def counting(name: str, counter: mmap.mmap) -> Handler:
    """Make a handler that returns a constant and counts; one loop runs them all, so nothing is lost."""

    @task(name=name)
    async def handler(_config: object, /) -> object:
        (count,) = struct.unpack_from("Q", counter)
        struct.pack_into("Q", counter, 0, count + 1)
        return {"n": 1}

    return handler


def main() -> None:
    """Work until a signal comes."""
    address, slots, path = sys.argv[1:]
    with Path(path).open("r+b") as file, mmap.mmap(file.fileno(), 8) as counter:
        handlers = [counting(name, counter) for name in json.load(sys.stdin)]
        Worker(address, tasks=handlers, slots=int(slots)).run_forever()


if __name__ == "__main__":
    main()
