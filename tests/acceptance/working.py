"""Workers beside a test, and waiting for what they do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flowmesh import Event, EventType, ExecutionHandle, NodeState, Snapshot, Worker


@contextmanager
def working(address: str, namespace: str, *tasks: Callable[..., Any], slots: int = 20) -> Iterator[Worker]:
    """Run a worker on a thread of its own."""
    worker = Worker(address, tasks=list(tasks), namespace=namespace, slots=slots)
    thread = threading.Thread(target=lambda: asyncio.run(worker.run()))
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(40)
        assert not thread.is_alive()


def watch_until(handle: ExecutionHandle, state: NodeState, event: EventType) -> None:
    """Follow an execution until a node of it is in a state."""
    for item in handle.watch(timeout=20):
        if isinstance(item, Event) and item.type is event:
            return
        if isinstance(item, Snapshot) and any(node.state is state for node in item.execution.nodes):
            return
    raise AssertionError(f"no node was ever {state}")
