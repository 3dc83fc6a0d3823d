"""References to data that exists only when the workflow runs."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from flowmesh import _json

# What templates call the input of the execution and all nodes; no node may be called so.
RESERVED: Final = frozenset({"input", "nodes"})
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NODE: Final = re.compile(r"(?!input\.)([A-Za-z_][\w-]*)\.output\b")
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

    def or_else(self, default: Any) -> Reference:  # noqa: ANN401 - any JSON value or reference
        """The value, or `default` where the node was skipped or the input has no such field.

        A node with a condition may be skipped, and so may those after it: the
        server asks for a default wherever such a node is referred to.

        Raises:
            EncodingError: The default is not JSON.
        """
        instead = default.path if isinstance(default, Reference) else _json.encode(default).decode()
        match = _NODE.match(self.path)
        if match is None:
            return Reference(f"has({self.path}) ? {self.path} : {instead}")
        output = f'nodes["{match[1]}"].output'
        return Reference(f"has({output}) ? {output}{self.path[match.end() :]} : {instead}")

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
