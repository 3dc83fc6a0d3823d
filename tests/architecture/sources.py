"""The files that are ours to judge."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_ROOTS = (ROOT / "engine_core", ROOT / "services", ROOT / "clients/python")
GENERATED = ROOT / "clients/python/flowmesh/v1"


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file of the repository, also new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


@cache
def python_files() -> tuple[Path, ...]:
    """The Python that people wrote."""
    return tuple(
        path for path in tracked_files() if path.suffix == ".py" and not path.is_relative_to(GENERATED)
    )


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def module_name(path: Path) -> str | None:
    """The import name of a file in a distribution, None for others such as tests."""
    for root in IMPORT_ROOTS:
        if path.is_relative_to(root):
            return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    return None


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
