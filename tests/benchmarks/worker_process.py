"""Workers as a user would run them; they count their calls where others can read them.

`python -m tests.benchmarks.worker_process ADDRESS SESSIONS SLOTS COUNTER < HANDLERS`

A handler returns a constant, unless its name says otherwise: `bench/fail` fails,
`bench/bytes/1000` returns so many bytes of JSON.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import signal
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from flowmesh import TaskError, Worker, task
from tests.benchmarks.workloads import FAILING, HANDLER, SIZED

Handler = Callable[[object], Awaitable[object]]


def counting(name: str, counter: mmap.mmap) -> Handler:
    """Make a handler that counts; one loop runs them all, so nothing is lost."""
    answer = _answer(name)

    @task(name=name)
    async def handler(_config: object, /) -> object:
        (count,) = struct.unpack_from("Q", counter)
        struct.pack_into("Q", counter, 0, count + 1)
        if name == FAILING:
            raise TaskError("as it was told to")
        return answer

    return handler


def _answer(name: str) -> object:
    """Return what a handler returns; JSON adds eight bytes to the text."""
    if name.startswith(SIZED):
        return {"d": "x" * (int(name.removeprefix(SIZED)) - 8)}
    # What the nodes of production graphs are given is the name of each parent.
    return {"n": 1} if name == HANDLER else {"task": name}


async def work(address: str, handlers: Sequence[Handler], sessions: int, slots: int) -> None:
    """Run workers until a signal comes."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        for _ in range(sessions):
            await stack.enter_async_context(Worker(address, tasks=handlers, slots=slots))
        await stopped.wait()


def main() -> None:
    """Work until a signal comes."""
    address, sessions, slots, path = sys.argv[1:]
    with Path(path).open("r+b") as file, mmap.mmap(file.fileno(), 8) as counter:
        handlers = [counting(name, counter) for name in json.load(sys.stdin)]
        asyncio.run(work(address, handlers, int(sessions), int(slots)))


if __name__ == "__main__":
    main()
