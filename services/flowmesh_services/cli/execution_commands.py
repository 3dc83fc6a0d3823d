"""`get`, `list`, `watch`, `events`, `cancel` and `workers`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import Enum
from itertools import islice
from textwrap import indent
from typing import Annotated, TypeVar

import typer

from flowmesh_services.cli import text
from flowmesh_services.cli.documents import render
from flowmesh_services.cli.options import DEFAULT_ADDRESS, Address, Namespace, Output, OutputFormat, connect
from flowmesh_services.cli.watching import follow
from flowmesh_services.cli.workflow_commands import read_labels

T = TypeVar("T")


class StateName(str, Enum):  # noqa: UP042 - the option parser shows the value of a str enum
    """What one can look for: every state but the one that stands for those of newer servers."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ExecutionId = Annotated[str, typer.Argument(help="The id of an execution.", metavar="ID")]
Payloads = Annotated[bool, typer.Option("--payloads", help="Also print what the nodes returned.")]
Limit = Annotated[int, typer.Option("--limit", help="Print at most this many.", min=1)]


def get(
    execution_id: ExecutionId,
    payloads: Payloads = False,
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show where an execution and its nodes stand."""
    with connect(address, namespace) as client:
        execution = client.get(execution_id, nodes=True, payloads=payloads)
    print(render(execution) if output is OutputFormat.JSON else "\n".join(text.execution_lines(execution)))


def list_executions(
    workflow: Annotated[str, typer.Option("--workflow", help="Only of this workflow.")] = "",
    state: Annotated[
        list[StateName] | None, typer.Option("--state", help="Only in this state; may be repeated.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="KEY=VALUE", help="Only with this label; may be repeated."),
    ] = None,
    limit: Limit = 100,
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """List executions, the newest first."""
    labels = read_labels(label or [])
    with connect(address, namespace) as client:
        found = client.list(
            workflow_name=workflow,
            states=[each.value for each in state or ()],
            labels=labels,
            page_size=min(limit, 1000),
        )
        _print_all(islice(found, limit), output, text.execution_line)


def watch(
    execution_id: ExecutionId,
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Follow an execution to its end.

    Exits 0 when COMPLETED, 1 otherwise.
    """
    with connect(address, namespace) as client:
        raise typer.Exit(follow(client.handle(execution_id), output))


def events(
    execution_id: ExecutionId,
    payloads: Payloads = False,
    limit: Limit = 1_000_000,
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Print the history of an execution, the oldest first."""
    with connect(address, namespace) as client:
        history = client.events(execution_id, payloads=payloads, page_size=min(limit, 1000))
        _print_all(islice(history, limit), output, text.event_line)


def cancel(
    execution_id: ExecutionId,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the history.")] = "",
    grace: Annotated[
        float, typer.Option("--grace", help="Seconds that running tasks may take.", min=0, max=3600)
    ] = 30.0,
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Cancel an execution and print its state."""
    with connect(address, namespace) as client:
        state = client.cancel(execution_id, reason, grace=timedelta(seconds=grace))
    print(render({"execution_id": execution_id, "state": state}) if output is OutputFormat.JSON else state)


def workers(
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """List the connected workers."""
    with connect(address, namespace) as client:
        _print_all(client.list_workers(), output, text.worker_line)


def _print_all(items: Iterable[T], output: OutputFormat, line: Callable[[T], str]) -> None:
    if output is OutputFormat.JSON:
        _print_array(items)
        return
    for item in items:
        print(line(item))


def _print_array(items: Iterable[object]) -> None:
    """Print one JSON array, each item as it comes: a history may be larger than the memory."""
    before = "["
    for item in items:
        print(before)
        print(indent(render(item), "  "), end="")
        before = ","
    print("[]" if before == "[" else "\n]")
