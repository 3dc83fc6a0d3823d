"""What `import flowmesh` gives, and what it costs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import flowmesh

SOURCE = Path(flowmesh.__file__)
MOST_ADDED = 0.7
"""Measured: 0.44; with either of the heavy ones, 0.91 or more."""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


def test_the_list_of_names_and_the_typed_imports_agree() -> None:
    imported = {
        (node.module, name.asname)
        for node in ast.walk(ast.parse(SOURCE.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("flowmesh.")
        for name in node.names
    }
    listed = {(f"flowmesh.{home}", name) for name, home in flowmesh._HOME_OF.items()}
    assert imported == listed
    assert flowmesh.__all__ == sorted(name for _, name in listed)


@pytest.mark.parametrize("name", flowmesh.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    value = getattr(flowmesh, name)
    assert name == "WatchItem" or value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        flowmesh.nonsense  # noqa: B018


def test_importing_loads_neither_grpc_nor_protobuf() -> None:
    assert (
        run("import sys, flowmesh; print([m for m in ('grpc', 'google.protobuf') if m in sys.modules])")
        == "[]"
    )


def imported(beside: str = "sys") -> float:
    """What importing all of flowmesh adds to grpc and protobuf, as a share of what these take."""
    code = (
        "import time; began = time.process_time()\n"
        "import grpc, google.protobuf.message, google.protobuf.duration_pb2, google.protobuf.timestamp_pb2\n"
        "middle = time.process_time()\n"
        f"import {beside}; from flowmesh import *\n"
        "print(middle - began, time.process_time() - middle)"
    )
    needed, added = zip(*(map(float, run(code).split()) for _ in range(5)), strict=True)
    return float(min(added) / min(needed))


def test_importing_everything_adds_little_to_what_grpc_takes() -> None:
    assert imported() < MOST_ADDED


@pytest.mark.parametrize("heavy", ["opentelemetry.sdk.trace", "pydantic.json_schema"])
def test_importing_something_heavy_would_be_noticed(heavy: str) -> None:
    assert imported(beside=heavy) > MOST_ADDED


def test_a_program_without_opentelemetry_never_loads_it() -> None:
    code = (
        "import sys, flowmesh\n"
        "client = flowmesh.Client('127.0.0.1:1', timeout=0.1)\n"
        "try: client.get('e')\n"
        "except flowmesh.UnavailableError: pass\n"
        "print('opentelemetry' in sys.modules)"
    )
    assert run(code) == "False"


def test_the_tree_of_errors_is_drawn_whole() -> None:
    from flowmesh import _errors, _outcomes

    drawn = {word for word in (_errors.__doc__ or "").split() if word.isidentifier()}
    errors = {
        name
        for name, value in {**vars(_errors), **vars(_outcomes)}.items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert errors <= drawn
    assert errors <= set(flowmesh.__all__)


@pytest.mark.parametrize(
    ("plain", "awaited"),
    [
        (flowmesh.Client, flowmesh.AsyncClient),
        (flowmesh.ExecutionHandle, flowmesh.AsyncExecutionHandle),
    ],
)
def test_the_clients_are_twins(plain: type, awaited: type) -> None:
    def methods(kind: type) -> dict[str, list[inspect.Parameter]]:
        public = {name: value for name, value in vars(kind).items() if not name.startswith("_")}
        return {name: list(inspect.signature(value).parameters.values()) for name, value in public.items()}

    assert methods(plain) == methods(awaited)
