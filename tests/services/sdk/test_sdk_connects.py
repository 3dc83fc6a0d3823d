"""How soon clients find a server again that was away, or hung."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from typing import TYPE_CHECKING

import pytest

import flowmesh

from .scripted_server import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def hanging() -> Iterator[socket.socket]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE)
        yield listening


def call(address: str, timeout: float) -> None:
    with flowmesh.Client(address, timeout=timeout) as client:
        client.get("e1")


def await_call(address: str, timeout: float) -> None:
    async def get() -> None:
        async with flowmesh.AsyncClient(address, timeout=timeout) as client:
            await client.get("e1")

    asyncio.run(get())


def address_of(server: socket.socket) -> str:
    host, port = server.getsockname()
    return f"{host}:{port}"


@pytest.mark.parametrize("get", [call, await_call])
def test_a_call_tries_another_connection_within_its_time_when_one_hangs(
    hanging: socket.socket, get: Callable[[str, float], None]
) -> None:
    with pytest.raises(flowmesh.ServiceError):
        get(address_of(hanging), 2.5)
    for _ in range(2):
        connection, _ = hanging.accept()
        connection.close()


def test_a_server_that_is_back_is_found_soon_however_long_it_was_away(hanging: socket.socket) -> None:
    arrivals: list[float] = []
    with flowmesh.Client(address_of(hanging), timeout=0.5) as client:
        with pytest.raises(flowmesh.ServiceError):
            client.get("e1")
        for _ in range(10):
            connection, _ = hanging.accept()
            arrivals.append(time.monotonic())
            connection.close()
    waits = [after - before for before, after in itertools.pairwise(arrivals)]
    assert max(waits) < 2.0
