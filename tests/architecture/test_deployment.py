"""The image and the compose file fit the roles and the settings."""

from __future__ import annotations

import re
from typing import Any, get_type_hints

import pytest
import yaml

from flowmesh_core.ports.membership import Role
from flowmesh_services.cli.server_commands import RoleName
from flowmesh_services.settings import Settings
from tests.architecture.sources import ROOT

DEPLOY = ROOT / "deploy"
_SETTINGS = {
    f"FLOWMESH_{name.upper()}"
    for concern in get_type_hints(Settings).values()
    for name in concern.model_fields
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    parsed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services: dict[str, Any] = parsed["services"]
    return services


def test_the_command_line_knows_every_role() -> None:
    assert {name.value for name in RoleName} == {role.value for role in Role}


def test_every_role_has_a_container(services: dict[str, Any]) -> None:
    commands = [
        tuple(service["command"])
        for service in services.values()
        if service["image"] == "flowmesh" and "command" in service
    ]
    assert sorted(commands) == sorted((role.value,) for role in Role)


def test_containers_set_only_what_exists(services: dict[str, Any]) -> None:
    used = {name for service in services.values() for name in service.get("environment", {})}
    image = set(re.findall(r"FLOWMESH_[A-Z_]+(?==)", (DEPLOY / "Dockerfile").read_text()))
    assert {name for name in used | image if name.startswith("FLOWMESH_")} <= _SETTINGS


def test_ports_are_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_are_of_a_version(services: dict[str, Any]) -> None:
    foreign = [service["image"] for service in services.values() if service["image"] != "flowmesh"]
    assert all(re.search(r":\d", image) for image in foreign)


def test_dependencies_are_containers(services: dict[str, Any]) -> None:
    needed = {name for service in services.values() for name in service.get("depends_on", [])}
    assert needed <= set(services)


def test_the_edge_sends_services_to_containers(services: dict[str, Any]) -> None:
    edge = (DEPLOY / "edge.conf").read_text()
    assert set(re.findall(r"set \$\w+ ([a-z-]+):7466;", edge)) <= set(services)
    assert set(re.findall(r"location /(flowmesh\.v1\.\w+)/", edge)) == {
        f"flowmesh.v1.{name}Service" for name in ("Submission", "Orchestration", "WorkerControl")
    }


def test_the_image_runs_as_nobody_in_particular() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["10001:10001"]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE)
    assert all((ROOT / name).exists() for line in copied for name in line.split())
