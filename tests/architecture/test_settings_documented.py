"""deploy/README.md names every environment variable, with its default, and none that does not exist."""

from __future__ import annotations

import re
from typing import get_type_hints

from flowmesh_services.settings import Settings
from tests.architecture.sources import GENERATED, ROOT, tracked_files

_VARIABLE = re.compile(r"\bFLOWMESH_[A-Z][A-Z_]*[A-Z]\b")
_ROW = re.compile(r"^\| `(FLOWMESH_[A-Z_]+)` \| (.*?) \|", re.MULTILINE)


def _documented() -> dict[str, str]:
    return dict(_ROW.findall((ROOT / "deploy/README.md").read_text()))


def _settings() -> dict[str, object]:
    concerns = get_type_hints(Settings).values()
    return {
        f"FLOWMESH_{name.upper()}": field.default
        for concern in concerns
        for name, field in concern.model_fields.items()
    }


def _shown(default: object) -> str:
    match default:
        case None:
            return "none"
        case bool():
            return str(default).lower()
        case int():
            return f"{default:,}"
        case float() if default.is_integer():
            return f"{int(default):,}"
    return str(default)


def test_every_setting_stands_there_with_its_default() -> None:
    documented = _documented()
    expected = {name: _shown(default) for name, default in _settings().items()}
    assert {name: documented.get(name) for name in expected} == expected


def test_every_variable_in_the_code_is_documented() -> None:
    code = [
        path
        for path in tracked_files()
        if path.suffix in {".py", ".yaml"}
        and not path.is_relative_to(GENERATED)
        and path.parts[-2] != "architecture"
    ]
    used = {name for path in code for name in _VARIABLE.findall(path.read_text())}
    assert used - set(_documented()) == set()


def test_nothing_is_documented_that_does_not_exist() -> None:
    code = "\n".join(path.read_text() for path in tracked_files() if path.suffix == ".py")
    named = set(_settings()) | set(_VARIABLE.findall(code))
    assert set(_documented()) - named == set()
