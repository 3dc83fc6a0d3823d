"""The handlers of the demo: they parse every module of the standard library."""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flowmesh import task

_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "__pycache__", "lib-dynload"}
_MOST = 5


def library() -> Path:
    """Return the folder of the standard library of this interpreter."""
    return Path(sysconfig.get_paths()["stdlib"])


def package_names() -> list[str]:
    """Return the top-level packages and modules that have sources, by name."""
    return sorted(name for name in sys.stdlib_module_names if name.isidentifier() and _sources(name))


def _sources(package: str) -> list[Path]:
    folder = library() / package
    if not folder.is_dir():
        module = folder.with_suffix(".py")
        return [module] if module.is_file() else []
    return [path for path in sorted(folder.rglob("*.py")) if not _LEFT_OUT.intersection(path.parts)]


@task
def list_packages(names: list[str]) -> dict[str, Any]:
    """Find the files of each package; their paths are relative to the library."""
    files = {name: [str(path.relative_to(library())) for path in _sources(name)] for name in names}
    return {"files": files, "count": sum(len(paths) for paths in files.values())}


@task
def analyse_package(package: str, files: list[str]) -> dict[str, Any]:
    """Parse every file of a package and sum up what is in there."""
    modules = [_analyse(library() / file, file) for file in files]
    imports: Counter[str] = Counter()
    for module in modules:
        imports.update(module.pop("imports"))
    return {
        "package": package,
        "lines": sum(module["lines"] for module in modules),
        "modules": len(modules),
        "unparsable": [module["file"] for module in modules if not module["parsed"]],
        "largest": _top(modules, "lines"),
        "deepest": _top(modules, "depth"),
        "imports": dict(imports.most_common(20)),
    }


def _analyse(path: Path, name: str) -> dict[str, Any]:
    source = path.read_bytes()
    facts: dict[str, Any] = {
        "file": name,
        "lines": source.count(b"\n"),
        "depth": 0,
        "parsed": False,
        "imports": [],
    }
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return facts
    return {**facts, "parsed": True, "depth": _depth(tree), "imports": list(_imports(tree))}


def _imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _depth(tree: ast.AST) -> int:
    """Return how deep blocks are nested in blocks."""
    blocks = (
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.If,
        ast.For,
        ast.While,
        ast.With,
        ast.Try,
    )
    deepest, stack = 0, [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        depth += isinstance(node, blocks)
        deepest = max(deepest, depth)
        stack.extend((child, depth) for child in ast.iter_child_nodes(node))
    return deepest


def _top(modules: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    ranked = sorted(modules, key=lambda module: (-module[by], module["file"]))
    return [{"file": module["file"], by: module[by]} for module in ranked[:_MOST]]


@task
def merge(packages: list[dict[str, Any]]) -> dict[str, Any]:
    """Put what was found in all packages together."""
    imports: Counter[str] = Counter()
    for package in packages:
        imports.update(package["imports"])
    return {
        "packages": len(packages),
        "modules": sum(package["modules"] for package in packages),
        "lines": sum(package["lines"] for package in packages),
        "unparsable": [file for package in packages for file in package["unparsable"]],
        "largest": _top([module for package in packages for module in package["largest"]], "lines"),
        "deepest": _top([module for package in packages for module in package["deepest"]], "depth"),
        "imports": dict(imports.most_common(_MOST)),
    }


@task
def list_unparsable(files: list[str]) -> str:
    """Name the files that are not valid Python; runs only when there are some."""
    return f"{len(files)} files are not valid Python, such as {', '.join(files[:3])}"


@task
def write_report(summary: dict[str, Any], remark: str) -> str:
    """Write the report that the demo prints."""
    lines = [
        f"{summary['packages']} packages, {summary['modules']} modules, {summary['lines']:,} lines",
        *_section("largest modules", ((m["file"], f"{m['lines']:,} lines") for m in summary["largest"])),
        *_section("deepest nesting", ((m["file"], f"{m['depth']} blocks") for m in summary["deepest"])),
        *_section("most imported", ((n, f"by {c} modules") for n, c in summary["imports"].items())),
        "",
        remark,
    ]
    return "\n".join(lines)


def _section(title: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    return ["", title, *(f"  {name:<40} {fact:>16}" for name, fact in rows)]
