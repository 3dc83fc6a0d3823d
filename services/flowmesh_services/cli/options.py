"""Options that every client command takes."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from flowmesh import TLS, Client
from flowmesh_services.cli.errors import CommandError

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
    return Client(address, namespace=namespace, timeout=10.0, tls=client_tls())


def client_tls() -> TLS | None:
    """Return how to talk TLS, as the environment says; None for plaintext.

    Raises:
        CommandError: A file cannot be read, or a certificate has no key.
    """
    authority = _pem("FLOWMESH_SERVER_CA")
    certificate, key = _pem("FLOWMESH_CLIENT_CERTIFICATE"), _pem("FLOWMESH_CLIENT_KEY")
    if (certificate is None) != (key is None):
        raise CommandError("FLOWMESH_CLIENT_CERTIFICATE and FLOWMESH_CLIENT_KEY go together")
    if authority is None and certificate is None:
        return None
    return TLS(root_certificates=authority, private_key=key, certificate_chain=certificate)


def _pem(variable: str) -> bytes | None:
    path = os.environ.get(variable)
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise CommandError(f"{variable}: cannot read {path}: {error.strerror}") from error
