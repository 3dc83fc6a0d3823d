"""A live picture of an execution: a bar, its nodes by state, and how long each one has been running."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.console import Console, ConsoleOptions, RenderableType
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
# Up to this many nodes, each one has a line; of more, each one has a mark.
LISTED_NODES = 12
RUNNING_LINES = 6
FAILED_LINES = 3
# Headline, id, bar, counts, two empty lines, the lines above, a remark and the prompt.
_OTHER_LINES = 8 + RUNNING_LINES + FAILED_LINES
_QUIET_SECONDS = 3.0
_ENDED_BADLY = (NodeState.FAILED, NodeState.CANCELLED)


class Picture:
    """What is drawn, kept up to date by the items of a watch. Safe to draw from another thread."""

    def __init__(self) -> None:
        """Start before the first item."""
        self._lock = threading.Lock()
        self._execution: Execution | None = None
        self._nodes: dict[str, NodeExecution] = {}
        self._counts: Counter[NodeState] = Counter()
        self._changed = time.monotonic()

    @property
    def state(self) -> ExecutionState:
        """Where the execution stands; UNKNOWN before the first item."""
        return self._execution.state if self._execution else ExecutionState.UNKNOWN

    def take(self, item: WatchItem) -> None:
        """Bring the picture up to date."""
        with self._lock:
            self._changed = time.monotonic()
            if isinstance(item, Snapshot):
                self._restart(item.execution)
            elif isinstance(item, End):
                self._execution = item.execution
            elif isinstance(item, Event):
                self._apply(item)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw in the width and height of the terminal."""
        with self._lock:
            if self._execution is None:
                yield Text("waiting for the first word of the execution …", style="dim")
                return
            now = datetime.now(UTC)
            yield from _headline(self._execution, now)
            yield self._bar(options.max_width)
            yield self._counts_line()
            yield from self._nodes_part(options.max_width, console.height - _OTHER_LINES, now)
            yield from self._remark(self._execution)

    def _restart(self, execution: Execution) -> None:
        self._execution = execution
        self._nodes = {node.node_id: node for node in execution.nodes}
        self._counts = Counter(node.state for node in execution.nodes)

    def _apply(self, event: Event) -> None:
        node, state = self._nodes.get(event.node_id), _NODE_STATE_AFTER.get(event.type)
        if node is not None and state is not None:
            self._counts[node.state] -= 1
            self._counts[state] += 1
            self._nodes[event.node_id] = _after(node, state, event)
        after = _EXECUTION_STATE_AFTER.get(event.type)
        if self._execution is not None and after is not None:
            start = self._execution.start_time or event.event_time
            self._execution = replace(self._execution, state=after, start_time=start)

    def _bar(self, width: int) -> Table:
        ended, total = sum(self._counts[state] for state in NodeState if state.is_terminal), len(self._nodes)
        label = f"{ended}/{total}  {100 * ended // max(1, total):>3} %"
        row = Table.grid(padding=(0, 1))
        row.add_row(
            ProgressBar(total=max(1, total), completed=ended, width=max(10, min(60, width - len(label) - 2))),
            label,
        )
        return row

    def _counts_line(self) -> Text:
        parts = [
            Text(f"{MARKS[state]} {self._counts[state]} {state.value}", style=style)
            for state, style in STYLES.items()
            if self._counts[state]
        ]
        return Text("   ").join(parts)

    def _nodes_part(self, width: int, height: int, now: datetime) -> Iterator[RenderableType]:
        nodes = list(self._nodes.values())
        yield Text()
        if len(nodes) <= LISTED_NODES:
            yield from _lines(nodes, now)
            return
        yield _marks(nodes, width * max(1, height))
        bad = [node for node in nodes if node.state in _ENDED_BADLY]
        running = [node for node in nodes if node.state is NodeState.RUNNING]
        running.sort(key=lambda node: node.start_time or now)
        if bad or running:
            yield Text()
        yield from _lines([*bad[:FAILED_LINES], *running[:RUNNING_LINES]], now)

    def _remark(self, execution: Execution) -> Iterator[Text]:
        if execution.failure is not None:
            yield _line(f"failure: {text.failure_line(execution.failure)}", "red")
        elif self._nobody_works() and time.monotonic() - self._changed > _QUIET_SECONDS:
            yield _line("No worker has taken a SCHEDULED node yet.", "yellow")
            yield _line(f"What it waits for: flowmesh get {execution.execution_id}", "yellow")

    def _nobody_works(self) -> bool:
        return bool(self._counts[NodeState.SCHEDULED]) and not self._counts[NodeState.RUNNING]


def _after(node: NodeExecution, state: NodeState, event: Event) -> NodeExecution:
    began = event.start_time or (event.event_time if state is NodeState.RUNNING else node.start_time)
    return replace(
        node,
        state=state,
        attempt=event.attempt or node.attempt,
        start_time=None if state is NodeState.SCHEDULED else began,
        close_time=event.event_time if state.is_terminal else None,
        failure=event.failure,
        skip_reason=event.skip_reason,
    )


def _headline(execution: Execution, now: datetime) -> Iterator[Text]:
    took = _elapsed(execution.start_time, execution.close_time or now)
    line = Text.assemble(
        (execution.workflow_name, "bold"), "  ", (execution.state.value, "bold"), f"  {took}"
    )
    line.no_wrap, line.overflow = True, "ellipsis"
    yield line
    yield _line(execution.execution_id, "dim")


def _marks(nodes: list[NodeExecution], room: int) -> Text:
    line = Text(overflow="fold")
    shown = len(nodes) if len(nodes) <= room else max(1, room - 20)
    for node in nodes[:shown]:
        line.append(MARKS.get(node.state, "?"), style=STYLES.get(node.state, ""))
    if shown < len(nodes):
        line.append(f" … {len(nodes) - shown} more", style="dim")
    return line


def _lines(nodes: list[NodeExecution], now: datetime) -> Iterator[Text]:
    name = min(40, max((len(node.node_id) for node in nodes), default=0))
    state = max((len(node.state.value) for node in nodes), default=0)
    for node in nodes:
        yield _line(_told(node, name, state, now), STYLES.get(node.state, ""))


def _told(node: NodeExecution, name_width: int, state_width: int, now: datetime) -> str:
    parts = [
        f"{MARKS.get(node.state, '?')} {text.shortened(node.node_id, name_width):<{name_width}}",
        f"{node.state.value:<{state_width}}",
        f"{_elapsed(node.start_time, node.close_time or now):>7}",
    ]
    if node.attempt > 1:
        parts.append(f"attempt {node.attempt}")
    if node.failure is not None:
        parts.append(text.failure_line(node.failure))
    return "  ".join(parts).rstrip()


def _line(words: str, style: str) -> Text:
    return Text(words, style=style, overflow="ellipsis", no_wrap=True)


def _elapsed(start: datetime | None, end: datetime) -> str:
    """Return the time since a moment as people read it; empty before it came."""
    if start is None:
        return ""
    seconds = max(0.0, (end - start).total_seconds())
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=int(seconds)))


def show(items: Iterable[WatchItem], console: Console | None = None) -> ExecutionState:
    """Draw an execution until it ends; return the state it ended in."""
    picture = Picture()
    with Live(picture, console=console, refresh_per_second=12):
        for item in items:
            if not isinstance(item, Gap):
                picture.take(item)
    return picture.state
