"""The committed stubs are those that the protos make."""

from __future__ import annotations

import filecmp
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import GENERATED, ROOT


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.is_file()}


def test_stubs_are_up_to_date(tmp_path: Path) -> None:
    subprocess.run([ROOT / ".ci/generate", Path(sys.executable).parent, tmp_path], cwd=ROOT, check=True)
    fresh = tmp_path / "flowmesh/v1"
    names = _names(fresh)
    assert _names(GENERATED) == names
    _, different, broken = filecmp.cmpfiles(fresh, GENERATED, names, shallow=False)
    assert (different, broken) == ([], []), "run `make generate`"
