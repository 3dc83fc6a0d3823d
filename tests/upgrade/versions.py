"""An earlier version of the code, beside this one."""

from __future__ import annotations

import os
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PARTS = ("engine_core", "services", "clients/python")


def import_roots(tree: Path) -> str:
    """Return the search path on which a tree comes before whatever is installed."""
    return os.pathsep.join(str(tree / part) for part in _PARTS)


def earlier_tree(directory: Path) -> Path:
    """Unpack the version before this one; skip the test where there is none, as in a shallow clone."""
    commit = _earlier_commit()
    if commit is None:
        pytest.skip("no earlier commit to run beside this one")
    packed = subprocess.run(
        ["git", "archive", "--format=zip", commit, "--", *_PARTS],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=30,
    )
    with zipfile.ZipFile(BytesIO(packed.stdout)) as tree:
        tree.extractall(directory)
    return directory


def _earlier_commit() -> str | None:
    """Name what the environment says, the release before this one, where this work left main, or the last."""
    if given := os.environ.get("FLOWMESH_TEST_UPGRADE_FROM"):
        return given
    candidates = (
        ["git", "describe", "--tags", "--abbrev=0", "HEAD~1"],
        ["git", "merge-base", "HEAD", "origin/main"],
        ["git", "rev-parse", "--verify", "HEAD~1^{commit}"],
    )
    head = _said(["git", "rev-parse", "HEAD"])
    found = (_said(candidate) for candidate in candidates)
    return next((commit for commit in found if commit and commit != head), None)


def _said(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else ""
