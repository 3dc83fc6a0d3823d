"""A worker for a test, and the handlers that most tests need."""

from __future__ import annotations

import contextlib
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import flowmesh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .scripted_server import ScriptedServer

PATIENCE = 10.0


@flowmesh.task
def double(n: int) -> int:
    return n * 2


@contextlib.contextmanager
def working(server: ScriptedServer, *tasks: Callable[..., Any], **how: Any) -> Iterator[flowmesh.Worker]:
    """A worker that runs on a thread, and is stopped at the end."""
    worker = flowmesh.Worker(server.address, tasks=tasks, worker_id="w1", grace=timedelta(seconds=2), **how)
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
