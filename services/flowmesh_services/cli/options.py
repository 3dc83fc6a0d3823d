"""Options that every client command takes."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from flowmesh import Client

DEFAULT_ADDRESS = "127.0.0.1:7466"


class OutputFormat(str, Enum):  # noqa: UP042 - the option parser shows the value of a str enum
    """How a command prints its answer on stdout."""

    TEXT = "text"
    JSON = "json"


def _host_and_port(address: str) -> str:
    if address.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{address!r} is a URL; host:port is enough")
    return address


Address = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="FLOWMESH_ADDRESS",
        help="host:port or unix:/path of a server.",
        callback=_host_and_port,
    ),
]
Namespace = Annotated[
    str, typer.Option("--namespace", envvar="FLOWMESH_NAMESPACE", help="The namespace to work in.")
]
Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="How to print the answer.")]


def connect(address: str, namespace: str) -> Client:
    """Return a client that gives up on an absent server after a few seconds, as a person would."""
    return Client(address, namespace=namespace, timeout=10.0)
