"""What an operator may set, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowmesh_services.bootstrap import limits
from flowmesh_services.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("FLOWMESH_", "OTEL_")):
            monkeypatch.delenv(name)


def test_defaults_stay_on_this_machine() -> None:
    settings = load_settings()
    assert settings.listen.listen == "127.0.0.1:7466"
    assert settings.cluster.partitions == 256
    assert settings.stores.postgres_url is None


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMESH_PARTITIONS", "64")
    monkeypatch.setenv("FLOWMESH_POSTGRES_URL", "postgresql://host/db")
    settings = load_settings()
    assert (settings.cluster.partitions, settings.stores.postgres_url) == (64, "postgresql://host/db")


def test_an_empty_variable_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMESH_PARTITIONS", "")
    assert load_settings().cluster.partitions == 256


def test_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMESH_LISTEN", "127.0.0.1:1")
    settings = load_settings(listen="127.0.0.1:2", data_dir=Path("kept"))
    assert (settings.listen.listen, settings.embedded.data_dir) == ("127.0.0.1:2", Path("kept"))


def test_all_problems_are_told_at_once_and_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMESH_PARTITIONS", "many")
    monkeypatch.setenv("FLOWMESH_LOG_LEVEL", "loud")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    first, second = str(caught.value).splitlines()
    assert first.startswith("FLOWMESH_PARTITIONS: ")
    assert second.startswith("FLOWMESH_LOG_LEVEL: ")


def test_names_are_never_longer_than_the_contract_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMESH_MAX_ID_LENGTH", "63")
    assert limits(load_settings().limits).id_length == 63
    monkeypatch.setenv("FLOWMESH_MAX_ID_LENGTH", "256")
    with pytest.raises(SettingsError, match="FLOWMESH_MAX_ID_LENGTH"):
        load_settings()


@pytest.mark.parametrize("listen", ["0.0.0.0:7466", "[::]:7466", "flowmesh.example:7466", "192.168.0.7:1"])
def test_plaintext_beyond_this_machine_is_asked_for(listen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="FLOWMESH_INSECURE=true"):
        load_settings(listen=listen)
    monkeypatch.setenv("FLOWMESH_INSECURE", "true")
    assert load_settings(listen=listen).listen.insecure


@pytest.mark.parametrize("listen", ["localhost:0", "[::1]:7466", "127.0.0.9:7466", "unix:/run/flowmesh.sock"])
def test_local_addresses_need_no_tls(listen: str) -> None:
    assert load_settings(listen=listen).listen.listen == listen


@pytest.mark.parametrize("listen", ["7466", ":7466", "localhost", "localhost:http", "localhost:70000"])
def test_an_address_has_host_and_port(listen: str) -> None:
    with pytest.raises(SettingsError, match="must be host:port"):
        load_settings(listen=listen)


def test_a_certificate_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMESH_TLS_CERTIFICATE", "/tls/server.pem")
    with pytest.raises(SettingsError, match="FLOWMESH_TLS_KEY"):
        load_settings()


def test_the_standard_name_of_the_collector_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    assert load_settings().telemetry.otlp_endpoint == "http://collector:4317"


def test_addresses_with_passwords_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMESH_POSTGRES_URL", "postgresql://me:hunter2@host/db")
    assert "hunter2" not in repr(load_settings())
