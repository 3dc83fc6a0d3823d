"""What no file of the repository may say."""

from __future__ import annotations

import re

import pytest

from tests.architecture.sources import shown, tracked_files

# Written as patterns that do not match themselves.
_REGISTRIES = re.compile(
    r"pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|crates[.]io|proxy[.]golang[.]org"
)
_MACHINE = re.compile(r"[/]work/|[/]root/[.]|[/]home/runner|pip[.]conf")


def _sayings(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{shown(path)}: {match[0]}" for match in pattern.finditer(text)]
    return found


@pytest.mark.parametrize(
    "pattern", [_REGISTRIES, _MACHINE], ids=["package registries", "paths of one machine"]
)
def test_no_file_names(pattern: re.Pattern[str]) -> None:
    assert _sayings(pattern) == []


def test_modules_have_names_that_mean_something() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert [shown(path) for path in tracked_files() if path.stem in empty] == []
