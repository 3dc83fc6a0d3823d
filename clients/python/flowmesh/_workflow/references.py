"""References to data that exists only when the workflow runs."""

from __future__ import annotations

import json
import re
from typing import Any, Final

# What templates call the input of the execution and all nodes; no node may be called so.
RESERVED: Final = frozenset({"input", "nodes"})
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_HOLE: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
# Quoted text is matched first so that names inside it are passed over.
_NAME: Final = re.compile(
    r"(?<![\w.])nodes\[\"(?P<spelled>[^\"\\]+)\"\]"
    r"|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?<![\w.])(?P<name>[A-Za-z_][\w-]*)",
    re.DOTALL,
)


class Reference:
    """A value inside the output of a node, or inside the input of the execution.

    Index it to go deeper: `a.output["user"]["ids"][0]`. Used as a config value
    it stands for the value with its JSON type; inside an f-string for its text.
    """

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __getitem__(self, key: str | int) -> Reference:
        if isinstance(key, int):
            return Reference(f"{self.path}[{key}]")
        if _PLAIN_KEY.match(key):
            return Reference(f"{self.path}.{key}")
        return Reference(f"{self.path}[{json.dumps(key)}]")

    # Without this, `in` and `for` would index forever.
    __iter__ = None

    def __str__(self) -> str:
        return f"{{{{ {self.path} }}}}"

    def __repr__(self) -> str:
        return f"Reference({self.path!r})"


def rendered(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """The config with every reference written as a template."""
    if isinstance(value, Reference):
        return str(value)
    if isinstance(value, dict):
        return {key: rendered(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rendered(item) for item in value]
    return value


def names_in_config(value: object) -> list[str]:
    """The first names of all paths in the templates of a config, in order."""
    if isinstance(value, str):
        return [name for hole in _HOLE.findall(value) for name in names_in_expression(hole)]
    if isinstance(value, dict):
        return [name for item in value.values() for name in names_in_config(item)]
    if isinstance(value, list):
        return [name for item in value for name in names_in_config(item)]
    return []


def names_in_expression(text: str) -> list[str]:
    """The first names of all paths in an expression, in order."""
    found = (match["name"] or match["spelled"] for match in _NAME.finditer(text))
    return [name for name in found if name]
