"""`validate`, `register` and `submit`: workflows from files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flowmesh import FlowmeshError, Payload, Workflow
from flowmesh_services.cli.documents import render
from flowmesh_services.cli.options import DEFAULT_ADDRESS, Address, Namespace, Output, OutputFormat, connect
from flowmesh_services.cli.watching import follow

MAXIMUM_FILE_BYTES = 64 * 1024 * 1024

File = Annotated[str, typer.Argument(help="A workflow as JSON; - reads stdin.", metavar="FILE")]


def validate(
    file: File,
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Check a workflow and store nothing.

    Exits 1 when it is not valid, with every problem on stdout.
    """
    workflow = read_workflow(file)
    with connect(address, namespace) as client:
        validation = client.validate(workflow)
    if output is OutputFormat.JSON:
        print(render(validation))
    elif validation.valid:
        print(f"valid: {workflow.name}, {len(workflow.nodes)} nodes, digest {validation.digest}")
    else:
        print("\n".join(map(str, validation.violations)))
    if not validation.valid:
        raise typer.Exit(1)


def register(
    file: File,
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Store a workflow under its name.

    The same content gives the same version.
    """
    workflow = read_workflow(file)
    with connect(address, namespace) as client:
        version = client.register(workflow)
    print(render(version) if output is OutputFormat.JSON else f"{version.name}@{version.version}")


def submit(
    file: File,
    input_text: Annotated[
        str, typer.Option("--input", help="The input as JSON, or @FILE.", metavar="JSON|@FILE")
    ] = "null",
    execution_id: Annotated[
        str, typer.Option("--execution-id", help="The id to give it; the server makes one by default.")
    ] = "",
    request_id: Annotated[
        str,
        typer.Option(
            "--request-id", help="Names this request: a repeat of it answers with the first execution."
        ),
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="A word to find it by; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it; exit 0 when COMPLETED, else 1.")] = False,
    address: Address = DEFAULT_ADDRESS,
    namespace: Namespace = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Start an execution and print its id."""
    labels, workflow, payload = read_labels(label or []), read_workflow(file), read_input(input_text)
    with connect(address, namespace) as client:
        handle = client.submit(
            workflow, payload, execution_id=execution_id, request_id=request_id, labels=labels
        )
        print(
            render({"execution_id": handle.id}, indent=None) if output is OutputFormat.JSON else handle.id,
            flush=True,
        )
        if wait:
            raise typer.Exit(follow(handle, output))


def read_workflow(file: str) -> Workflow:
    """Read a workflow from a file or stdin.

    Raises:
        FlowmeshError: It cannot be read, is too large, or is not a workflow.
    """
    return Workflow.from_json(_read(file))


def read_input(text: str) -> Payload:
    """Return the exact bytes of an input; the server says what is wrong with them."""
    data = _read(text[1:]) if text.startswith("@") else text.encode("utf-8", "surrogateescape")
    return Payload(data)


def read_labels(labels: list[str]) -> dict[str, str]:
    """Return labels given as KEY=VALUE."""
    pairs = [label.partition("=") for label in labels]
    if wrong := [key for key, equals, _ in pairs if not (key and equals)]:
        raise typer.BadParameter(f"{wrong[0]!r} is not KEY=VALUE", param_hint="'--label'")
    return {key: value for key, _, value in pairs}


def _read(file: str) -> bytes:
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAXIMUM_FILE_BYTES + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(MAXIMUM_FILE_BYTES + 1)
    except OSError as error:
        raise FlowmeshError(f"cannot read {file}: {error.strerror}") from error
    if len(data) > MAXIMUM_FILE_BYTES:
        raise FlowmeshError(f"{file} is larger than {MAXIMUM_FILE_BYTES // 1024 // 1024} MiB")
    return data
