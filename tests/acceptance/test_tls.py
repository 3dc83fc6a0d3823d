"""A server that talks TLS, as its settings say, to the SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowmesh import TLS, AsyncClient, Client, DeadlineExceededError, UnavailableError, Worker, Workflow
from tests.acceptance.processes import background, dev, flowmesh
from tests.certificates import Certificate, self_signed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module", params=["server", "mutual"])
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


@pytest.mark.parametrize("address", ["mutual"], indirect=True)
def test_the_command_line(
    address: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = flowmesh("health", "--address", address)
    assert (refused.code, refused.out) == (1, "")
    monkeypatch.setenv("FLOWMESH_SERVER_CA", str(certificate.chain))
    monkeypatch.setenv("FLOWMESH_CLIENT_CERTIFICATE", str(certificate.chain))
    without_key = flowmesh("get", "any", "--address", address)
    assert without_key.err == "flowmesh: FLOWMESH_CLIENT_CERTIFICATE and FLOWMESH_CLIENT_KEY go together\n"

    monkeypatch.setenv("FLOWMESH_CLIENT_KEY", str(certificate.key))
    assert flowmesh("health", "--address", address).out == "SERVING\n"
    file = tmp_path / "one.json"
    file.write_text('{"name": "one", "dag": {"nodes": [{"id": "a", "handler": "h"}]}}')
    with background("worker", "--dry-run", "--address", address):
        assert flowmesh("submit", str(file), "--wait", "--address", address).code == 0

    monkeypatch.setenv("FLOWMESH_SERVER_CA", str(tmp_path / "nowhere.pem"))
    missing = flowmesh("get", "any", "--address", address)
    assert missing.code == 1
    assert missing.err.startswith("flowmesh: FLOWMESH_SERVER_CA: cannot read ")


def test_a_certificate_that_is_not_there_is_told_in_one_line(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWMESH_TLS_CERTIFICATE", "/nowhere.pem")
    monkeypatch.setenv("FLOWMESH_TLS_KEY", str(certificate.key))
    finished = flowmesh("dev", "--listen", "127.0.0.1:0")
    (line,) = finished.err.splitlines()
    assert finished.code == 1
    assert line.startswith("flowmesh: ")
    assert "/nowhere.pem" in line
    assert "unexpected" not in line


def refused(address: str, tls: TLS | None) -> None:
    with (
        Client(address, tls=tls, timeout=1) as client,
        pytest.raises((UnavailableError, DeadlineExceededError)),
    ):
        client.get("any")
