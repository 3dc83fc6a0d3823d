"""What a package says it offers is what it offers."""

from __future__ import annotations

import importlib

import pytest

from tests.architecture.sources import module_name, python_files

_DECLARING = {
    name: path
    for path in python_files()
    if (name := module_name(path)) is not None and "\n__all__ = " in path.read_text()
}


@pytest.mark.parametrize("module", sorted(_DECLARING))
def test_every_name_that_is_offered_exists_once(module: str) -> None:
    loaded = importlib.import_module(module)
    assert [name for name in loaded.__all__ if not hasattr(loaded, name)] == []
    assert len(set(loaded.__all__)) == len(loaded.__all__)
