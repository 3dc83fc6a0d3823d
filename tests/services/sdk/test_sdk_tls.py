from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

import flowmesh
from flowmesh.v1 import submission_service_pb2 as submission
from tests.certificates import self_signed

from .scripted_server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[bytes, bytes]:
    """A key and a certificate."""
    made = self_signed(tmp_path)
    return made.key.read_bytes(), made.chain.read_bytes()


@pytest.fixture
def secure_server(certificate: tuple[bytes, bytes]) -> Iterator[ScriptedServer]:
    credentials = grpc.ssl_server_credentials(
        [certificate], root_certificates=certificate[1], require_client_auth=True
    )
    with ScriptedServer(credentials) as server:
        server.script("ListWorkflows", submission.ListWorkflowsResponse(), submission.ListWorkflowsResponse())
        yield server


async def test_clients_and_workers_talk_mutual_tls(
    secure_server: ScriptedServer, certificate: tuple[bytes, bytes]
) -> None:
    key, chain = certificate
    tls = flowmesh.TLS(root_certificates=chain, private_key=key, certificate_chain=chain)
    with flowmesh.Client(secure_server.address, tls=tls, timeout=10) as client:
        assert list(client.list_workflows()) == []
    async with flowmesh.AsyncClient(secure_server.address, tls=tls, timeout=10) as patient:
        assert [version async for version in patient.list_workflows()] == []
    async with flowmesh.Worker(secure_server.address, dry_run=True, tls=tls):
        stream = await asyncio.to_thread(secure_server.accept)
        await asyncio.to_thread(stream.expect, "hello")


def test_a_caller_without_a_certificate_gets_nowhere(
    secure_server: ScriptedServer, certificate: tuple[bytes, bytes]
) -> None:
    tls = flowmesh.TLS(root_certificates=certificate[1])
    with (
        flowmesh.Client(secure_server.address, tls=tls, timeout=0.5) as client,
        pytest.raises(flowmesh.UnavailableError),
    ):
        client.get("e1")
