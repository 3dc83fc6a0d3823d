"""A live picture of an execution: its nodes by state, a bar, and what happened last."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flowmesh import (
    End,
    Event,
    EventType,
    Execution,
    ExecutionState,
    Gap,
    NodeExecution,
    NodeState,
    Snapshot,
    WatchItem,
)
from flowmesh_services.cli import text

STYLES = {
    NodeState.PENDING: "dim",
    NodeState.SCHEDULED: "yellow",
    NodeState.RUNNING: "bold cyan",
    NodeState.COMPLETED: "green",
    NodeState.FAILED: "bold red",
    NodeState.CANCELLED: "magenta",
    NodeState.SKIPPED: "blue",
    NodeState.UPSTREAM_FAILED: "red",
}
MARKS = {
    NodeState.PENDING: "·",
    NodeState.SCHEDULED: "○",
    NodeState.RUNNING: "◉",
    NodeState.COMPLETED: "●",
    NodeState.FAILED: "✗",
    NodeState.CANCELLED: "⊘",
    NodeState.SKIPPED: "◌",
    NodeState.UPSTREAM_FAILED: "✗",
}
_NODE_STATE_AFTER = {
    EventType.NODE_SCHEDULED: NodeState.SCHEDULED,
    EventType.NODE_STARTED: NodeState.RUNNING,
    EventType.NODE_COMPLETED: NodeState.COMPLETED,
    EventType.NODE_ATTEMPT_FAILED: NodeState.SCHEDULED,
    EventType.NODE_ATTEMPT_LOST: NodeState.SCHEDULED,
    EventType.NODE_FAILED: NodeState.FAILED,
    EventType.NODE_SKIPPED: NodeState.SKIPPED,
    EventType.NODE_UPSTREAM_FAILED: NodeState.UPSTREAM_FAILED,
    EventType.NODE_CANCELLED: NodeState.CANCELLED,
}
_EXECUTION_STATE_AFTER = {
    EventType.EXECUTION_STARTED: ExecutionState.RUNNING,
    EventType.EXECUTION_CANCEL_REQUESTED: ExecutionState.CANCELLING,
    EventType.EXECUTION_COMPLETED: ExecutionState.COMPLETED,
    EventType.EXECUTION_FAILED: ExecutionState.FAILED,
    EventType.EXECUTION_CANCELLED: ExecutionState.CANCELLED,
}
MAXIMUM_MARKS = 2_000
RECENT_EVENTS = 8


class Picture:
    """What is drawn, kept up to date by the items of a watch. Safe to draw from another thread."""

    def __init__(self) -> None:
        """Start before the first item."""
        self._lock = threading.Lock()
        self._execution: Execution | None = None
        self._nodes: dict[str, NodeExecution] = {}
        self._counts: Counter[NodeState] = Counter()
        self._recent: deque[str] = deque(maxlen=RECENT_EVENTS)

    @property
    def state(self) -> ExecutionState:
        """Where the execution stands; UNKNOWN before the first item."""
        return self._execution.state if self._execution else ExecutionState.UNKNOWN

    def take(self, item: WatchItem) -> None:
        """Bring the picture up to date."""
        with self._lock:
            if isinstance(item, Snapshot):
                self._restart(item.execution)
            elif isinstance(item, End):
                self._execution = item.execution
            elif isinstance(item, Event):
                self._apply(item)

    def __rich__(self) -> RenderableType:
        """Draw."""
        with self._lock:
            if self._execution is None:
                return Text("waiting for the first word of the execution …", style="dim")
            return Group(
                self._headline(self._execution), self._bar(), self._counts_line(), self._marks(), self._log()
            )

    def _restart(self, execution: Execution) -> None:
        self._execution = execution
        self._nodes = {node.node_id: node for node in execution.nodes}
        self._counts = Counter(node.state for node in execution.nodes)

    def _apply(self, event: Event) -> None:
        self._recent.append(text.event_line(event))
        node, state = self._nodes.get(event.node_id), _NODE_STATE_AFTER.get(event.type)
        if node is not None and state is not None:
            self._counts[node.state] -= 1
            self._counts[state] += 1
            self._nodes[event.node_id] = replace(node, state=state)
        after = _EXECUTION_STATE_AFTER.get(event.type)
        if self._execution is not None and after is not None:
            start = self._execution.start_time or event.event_time
            self._execution = replace(self._execution, state=after, start_time=start)

    def _headline(self, execution: Execution) -> Text:
        end = execution.close_time or datetime.now(UTC)
        return Text.assemble(
            (execution.workflow_name, "bold"),
            f"  {execution.execution_id}  ",
            (execution.state.value, "bold"),
            f"  {text.duration(execution.start_time, end)}",
        )

    def _bar(self) -> Table:
        ended = sum(count for state, count in self._counts.items() if state.is_terminal)
        row = Table.grid(padding=(0, 1))
        row.add_row(
            ProgressBar(total=max(1, len(self._nodes)), completed=ended, width=60),
            f"{ended}/{len(self._nodes)}",
        )
        return row

    def _counts_line(self) -> Text:
        line = Text()
        for state, style in STYLES.items():
            if self._counts[state]:
                line.append(f"{MARKS[state]} {self._counts[state]} {state.value}   ", style=style)
        return line

    def _marks(self) -> Text:
        line = Text(overflow="fold")
        for node in list(self._nodes.values())[:MAXIMUM_MARKS]:
            line.append(MARKS.get(node.state, "?"), style=STYLES.get(node.state, ""))
        if len(self._nodes) > MAXIMUM_MARKS:
            line.append(f" … {len(self._nodes) - MAXIMUM_MARKS} more", style="dim")
        return line

    def _log(self) -> Text:
        return Text("\n".join(self._recent), style="dim", overflow="ellipsis", no_wrap=True)


def show(items: Iterable[WatchItem], console: Console | None = None) -> ExecutionState:
    """Draw an execution until it ends; return the state it ended in."""
    picture = Picture()
    with Live(picture, console=console, refresh_per_second=12), suppress(KeyboardInterrupt):
        for item in items:
            if not isinstance(item, Gap):
                picture.take(item)
    return picture.state
