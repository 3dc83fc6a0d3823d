"""Where to connect when the program does not say."""

from __future__ import annotations

import os


def address_or_default(given: str) -> str:
    """The given address, else that of FLOWMESH_ADDRESS, else this machine's.

    Raises:
        ValueError: It is a URL of HTTP, which gRPC would wait for as for a host of that name.
    """
    address = given or os.environ.get("FLOWMESH_ADDRESS") or "127.0.0.1:7466"
    if address.startswith(("http://", "https://")):
        raise ValueError(f"{address!r} is a URL; host:port is enough")
    return address


def namespace_or_default(given: str) -> str:
    """The given namespace, else that of FLOWMESH_NAMESPACE, else `default`."""
    return given or os.environ.get("FLOWMESH_NAMESPACE") or "default"
