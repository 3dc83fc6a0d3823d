"""Threads for plain handlers."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("flowmesh.worker")


class Threads:
    """At most `limit` threads that run jobs, started when they are needed.

    They are daemons, unlike those of `concurrent.futures`: a handler that never
    returns cannot keep the process from ending. The credits of the stream bound
    the queue.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._count = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job in a free thread, or as soon as one is free. Called from one thread only."""
        self._jobs.put(job)
        if self._idle.acquire(blocking=False) or self._count == self._limit:
            return
        self._count += 1
        threading.Thread(target=self._serve, name=f"flowmesh-task-{self._count}", daemon=True).start()

    def close(self) -> None:
        """Let the threads end with what they are doing."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # noqa: BLE001 - the thread serves on
                _log.exception("a task could not be reported")
            self._idle.release()
