"""Which packages from elsewhere each part of the code may import."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import pytest

from tests.architecture.sources import module_name, parsed, python_files

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS = {"flowmesh_core", "flowmesh_services", "flowmesh"}

# The longest prefix of a module counts.
ALLOWED: dict[str, set[str]] = {
    "flowmesh_core.domain": set(),
    "flowmesh_core.ports": set(),
    "flowmesh_core.application": set(),
    "flowmesh_core.adapters": set(),
    "flowmesh_core.adapters.cel": {"cel_expr_python"},
    "flowmesh_core.adapters.codec": {"msgspec"},
    "flowmesh_core.adapters.otel": {"opentelemetry"},
    "flowmesh_core.adapters.postgres": {"asyncpg", "orjson"},
    "flowmesh_core.adapters.redis": {"hiredis"},
    "flowmesh_core.adapters.system": {"uuid_utils"},
    "flowmesh_services": {"google", "grpc"},
    "flowmesh_services.bootstrap": {"opentelemetry"},
    "flowmesh_services.cli": {"grpc", "grpc_health", "rich", "typer", "uvloop"},
    "flowmesh_services.embedded": {"asyncpg", "redis"},
    "flowmesh_services.runtime": {
        "google",
        "grpc",
        "grpc_health",
        "grpc_reflection",
        "grpc_status",
        "opentelemetry",
        "structlog",
    },
    "flowmesh_services.wire": {"google", "orjson"},
    "flowmesh_services.settings": {"pydantic", "pydantic_settings", "pydantic_core"},
    # The SDK lives in the environments of other people.
    "flowmesh": {"google", "grpc"},
}
# Present in the environments of many users, never required: tracing works when it is there.
_OPTIONAL = {"flowmesh._tracing": {"opentelemetry"}}


def _imported(tree: ast.Module) -> Iterator[str]:
    """The top-level packages that a module imports from elsewhere."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module]
        yield from (name.split(".")[0] for name in names)


def _allowed(module: str) -> set[str]:
    prefixes = [prefix for prefix in ALLOWED if module == prefix or module.startswith(f"{prefix}.")]
    allowed = ALLOWED[max(prefixes, key=len)] if prefixes else set()
    return allowed | _OPTIONAL.get(module, set())


_MODULES = {name: path for path in python_files() if (name := module_name(path)) is not None}


@pytest.mark.parametrize("module", sorted(_MODULES))
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    foreign = set(_imported(parsed(_MODULES[module]))) - sys.stdlib_module_names - _OURS
    assert foreign <= _allowed(module)
