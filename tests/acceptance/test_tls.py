"""A server that talks TLS, as its settings say, to the SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from flowmesh import TLS, AsyncClient, Client, UnavailableError, Worker, Workflow
from tests.acceptance.processes import dev
from tests.certificates import Certificate, self_signed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["server", "mutual"])
def address(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[str]:
    """A server that other machines may reach, because it talks TLS."""
    environment = {
        "FLOWMESH_TLS_CERTIFICATE": str(certificate.chain),
        "FLOWMESH_TLS_KEY": str(certificate.key),
        **({"FLOWMESH_TLS_CLIENT_CA": str(certificate.chain)} if request.param == "mutual" else {}),
    }
    with dev("--listen", "0.0.0.0:0", environment=environment) as where:
        yield where.replace("0.0.0.0", "127.0.0.1")


async def test_a_workflow_runs_to_its_end_and_who_is_not_trusted_gets_nowhere(
    request: pytest.FixtureRequest, address: str, certificate: Certificate
) -> None:
    key, chain = certificate.key.read_bytes(), certificate.chain.read_bytes()
    trusted = TLS(root_certificates=chain, private_key=key, certificate_chain=chain)
    workflow = Workflow("echo")
    workflow.node("echo", id="echo", n=workflow.input)
    async with AsyncClient(address, tls=trusted) as client, Worker(address, dry_run=True, tls=trusted):
        assert await (await client.submit(workflow, 7)).result(timeout=20) == {"echo": {"n": 7}}

    nameless = TLS(root_certificates=chain)
    strangers = [None, TLS()] + ([nameless] if "mutual" in request.node.name else [])
    for stranger in strangers:
        await asyncio.to_thread(refused, address, stranger)


def refused(address: str, tls: TLS | None) -> None:
    with Client(address, tls=tls, timeout=1) as client, pytest.raises(UnavailableError):
        client.get("any")
