"""Following an execution: a live picture on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from flowmesh import End, Event, ExecutionHandle, ExecutionState, Gap, Snapshot, WatchItem
from flowmesh_services.cli import text
from flowmesh_services.cli.documents import render
from flowmesh_services.cli.options import OutputFormat


def follow(handle: ExecutionHandle, output: OutputFormat) -> int:
    """Show an execution until it ends; return 0 when it COMPLETED, else 1."""
    items = handle.watch()
    if output is OutputFormat.JSON:
        state = _print(items, _json_line)
    elif sys.stdout.isatty():
        from flowmesh_services.cli.live_view import show

        state = show(items)
    else:
        state = _print(items, _text_line)
    return 0 if state is ExecutionState.COMPLETED else 1


def _print(items: Iterable[WatchItem], line: Callable[[WatchItem], str]) -> ExecutionState:
    state = ExecutionState.UNKNOWN
    for item in items:
        print(line(item), flush=True)
        if isinstance(item, End):
            state = item.execution.state
    return state


def _json_line(item: WatchItem) -> str:
    kind = type(item).__name__.lower()
    content = item if isinstance(item, Event | Gap) else item.execution
    return render({kind: content}, indent=None)


def _text_line(item: WatchItem) -> str:
    if isinstance(item, Event):
        return text.event_line(item)
    if isinstance(item, Gap):
        return f"history before event {item.oldest_sequence} was removed"
    execution = item.execution
    counts = ", ".join(f"{count} {state}" for state, count in execution.node_counts.items())
    kind = "now" if isinstance(item, Snapshot) else "end"
    failure = f"  {text.failure_line(execution.failure)}" if execution.failure else ""
    return f"{kind}: {execution.execution_id}  {execution.state}  {counts}{failure}"
