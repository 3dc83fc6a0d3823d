"""`worker`: run the tasks of a module."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from flowmesh import FlowmeshError, Worker
from flowmesh_services.cli.documents import render
from flowmesh_services.cli.options import (
    DEFAULT_ADDRESS,
    Address,
    Namespace,
    Output,
    OutputFormat,
    client_tls,
)

Tasks = ModuleType | list[Callable[..., Any]]


def worker(
    target: Annotated[
        str,
        typer.Argument(help="Where the tasks are, as MODULE or MODULE:OBJECT.", metavar="[MODULE[:OBJECT]]"),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Take every handler and return the resolved config.")
    ] = False,
    slots: Annotated[int, typer.Option("--slots", help="How many tasks to run at once.", min=1)] = 10,
    worker_id: Annotated[str, typer.Option("--worker-id", help="What it calls itself.")] = "",
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Run tasks until SIGTERM or SIGINT, then finish what runs."""
    if bool(target) == dry_run:
        raise typer.BadParameter("give a module or --dry-run, and not both", param_hint="'MODULE'")
    tasks: Tasks = load_tasks(target) if target else []
    try:
        runner = Worker(
            address,
            tasks=tasks,
            slots=slots,
            worker_id=worker_id,
            namespace=namespace,
            tls=client_tls(),
            dry_run=dry_run,
        )
    except (TypeError, ValueError) as error:
        raise FlowmeshError(f"{target}: {error}") from error
    if output is OutputFormat.JSON:
        print(render({"worker_id": runner.worker_id, "address": address}, indent=None), flush=True)
    else:
        print(f"worker {runner.worker_id} works for {address}", file=sys.stderr, flush=True)
    runner.run_forever()


def load_tasks(target: str) -> Tasks:
    """Import a module, or one object of it: a task or a list of tasks.

    Raises:
        FlowmeshError: It cannot be imported, or has no such object.
    """
    module_name, _, object_name = target.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
        found = getattr(module, object_name) if object_name else module
    except Exception as error:
        raise FlowmeshError(f"cannot load {target}: {type(error).__name__}: {error}") from error
    if isinstance(found, ModuleType):
        return found
    return list(found) if isinstance(found, list | tuple) else [found]
