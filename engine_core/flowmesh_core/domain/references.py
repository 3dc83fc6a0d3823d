"""What an expression refers to: nodes and the input, and which parts of them.

An expression is a *path* or CEL. A path is resolved exactly and without an
engine:

```
fetch.output.user["first name"]   the output of node `fetch`, and then inside it
fetch.user.id                     short for fetch.output.user.id
my-node.items[0]                  ids may have dashes; a path wins over a subtraction
nodes["my-node"].output.items     the same node, spelled as CEL can
input.region                      the input of the execution
```

Everything else is CEL, where a node is a map of the fields of its output and
`output`, the output itself. An ancestor that was skipped is an empty map, so
that `has(fetch.output)` says whether it completed. Ids with dashes, and ids
that are words of CEL (`in`, `list`), are written `nodes["my-node"]` there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from flowmesh_core.domain.expressions import ExpressionError

INPUT = "input"
NODES = "nodes"
RESERVED_IDS = frozenset({INPUT, NODES})
"""What templates call the execution's input and all nodes; no node may be called so."""

STRING_PATTERN = (
    r"(?:[rR][bB]?|[bB][rR])(?:'''(?:.|\n)*?'''|\"\"\"(?:.|\n)*?\"\"\"|'[^'\n]*'|\"[^\"\n]*\")"
    r"|[bB]?(?:'''(?:[^\\]|\\(?:.|\n))*?'''|\"\"\"(?:[^\\]|\\(?:.|\n))*?\"\"\""
    r"|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
)
"""A string literal of CEL."""

_PATH = re.compile(
    r"([A-Za-z_][A-Za-z0-9_-]*)((?:\.[A-Za-z_][A-Za-z0-9_]*|\[(?:[0-9]{1,9}|\"(?:[^\"\\]|\\.)*\")\])*)"
)
_SEGMENT = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]|\[(\"(?:[^\"\\]|\\.)*\")\]")
_TOKEN = re.compile(
    rf"(?P<space>\s+|//[^\n]*)|(?P<text>{STRING_PATTERN})"
    r"|(?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[uU]?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<quoted>`[^`]*`)|(?P<mark>.)",
    re.DOTALL,
)
_RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"}
    | {"namespace", "package", "return", "var", "void", "while"}
)
_PLAIN_TEXT = re.compile(r"(['\"])([^'\"\\]*)\1")
_LITERALS = frozenset({"true", "false", "null"})
_NOT_VARIABLES = _LITERALS | frozenset(
    {"in", "bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint"}
)
_MAXIMUM_LOOPS = 32
_REMEMBERED_LENGTH = 200
_LOOPS = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing that an expression reads.

    Attributes:
        node: The id of the node, or None for the input.
        path: What it reads of a node's output or of the input, as far as that is fixed.
        variable: The variable of the expression that this belongs to.
        is_test: Whether `has` only asks if it is there.
    """

    node: str | None
    path: tuple[str | int, ...]
    variable: str
    is_test: bool = False

    def __str__(self) -> str:
        """Read as the node's id or `input`."""
        return INPUT if self.node is None else self.node


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; `is_path` when its only reference is all of it."""

    source: str
    references: tuple[Reference, ...]
    is_path: bool

    @property
    def variables(self) -> frozenset[str]:
        """The variables of CEL that it uses."""
        return frozenset(reference.variable for reference in self.references)


def parse_expression(source: str) -> Expression:
    """Find what an expression refers to; whether it is correct CEL is for the engine to say.

    Raises:
        ExpressionError: It uses `nodes` without naming one, or nests too many loops.
    """
    source = source.strip()
    return _parsed_once(source) if len(source) <= _REMEMBERED_LENGTH else _parsed(source)


def node_in_cel(node_id: str) -> str:
    """Return how CEL names a node."""
    is_plain = "-" not in node_id and node_id not in _NOT_VARIABLES | _RESERVED
    return node_id if is_plain else f'{NODES}["{node_id}"]'


def _parsed(source: str) -> Expression:
    match = _PATH.fullmatch(source)
    if match is not None and source not in _LITERALS and source != NODES:
        return Expression(source, (_reference(match[1], _segments(match[2])),), is_path=True)
    return Expression(source, tuple(_CelReader(source).references()), is_path=False)


_parsed_once = lru_cache(maxsize=4_096)(_parsed)
"""Thousands of nodes often read the same thing, and then share what is known about it."""


def _segments(text: str) -> tuple[str | int, ...]:
    return tuple(_segment(match) for match in _SEGMENT.finditer(text))


def _segment(match: re.Match[str]) -> str | int:
    name, position, key = match.groups()
    if name is not None:
        return str(name)
    return int(position) if position is not None else _unquoted(str(key))


def _unquoted(key: str) -> str:
    try:
        return str(json.loads(key))
    except ValueError:
        raise ExpressionError(f"{key} is not a string with JSON escapes") from None


def _reference(variable: str, path: tuple[str | int, ...], *, is_test: bool = False) -> Reference:
    if variable == INPUT:
        return Reference(None, path, variable, is_test)
    if variable != NODES:
        return Reference(variable, path, variable, is_test)
    if not path or not isinstance(path[0], str):
        raise ExpressionError('`nodes` needs the id of a node, as in nodes["fetch"]')
    return Reference(path[0], path[1:], variable, is_test)


def _plain_text(literal: str) -> str | None:
    """Return the value of a CEL string that has no escapes; others do not fix a path."""
    match = _PLAIN_TEXT.fullmatch(literal)
    return None if match is None else str(match[2])


class _Token(NamedTuple):
    kind: str
    text: str


_END = _Token("end", "")


def _tokens(source: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(source):
        if match.group() in {"'", '"'}:
            return  # a string without end; reading on would take time square to the length
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match.group())


class _CelReader:
    """Finds the free variables of a CEL source without parsing all of its grammar.

    A source that it reads wrongly does not compile later, because only the
    variables found here are declared.
    """

    def __init__(self, source: str) -> None:
        self._tokens = list(_tokens(source))
        self._loops: list[tuple[int, str]] = []
        self._depth = 0

    def references(self) -> Iterator[Reference]:
        for position, token in enumerate(self._tokens):
            if token.kind == "name" and self._is_variable(position):
                is_test = [each.text for each in self._tokens[max(0, position - 2) : position]] == [
                    "has",
                    "(",
                ]
                yield _reference(token.text, self._path(position + 1), is_test=is_test)
            self._follow_scope(position)

    def _at(self, position: int) -> _Token:
        return self._tokens[position] if 0 <= position < len(self._tokens) else _END

    def _is_variable(self, position: int) -> bool:
        name = self._tokens[position].text
        if name in _NOT_VARIABLES or self._at(position + 1).text == "(" or self._is_member(position):
            return False
        return all(name != bound for _, bound in self._loops)

    def _is_member(self, position: int) -> bool:
        if self._at(position - 1).text != ".":
            return False
        before = self._at(position - 2)
        return before.kind in {"name", "number", "quoted", "text"} or before.text in {")", "]", "}"}

    def _path(self, position: int) -> tuple[str, ...]:
        path: list[str] = []
        while (step := self._step(position)) is not None:
            name, position = step
            path.append(name)
        return tuple(path)

    def _step(self, position: int) -> tuple[str, int] | None:
        """Read `.name` or `["name"]` and say where it ends."""
        mark, token, after = (self._at(position + offset) for offset in range(3))
        if mark.text == "." and token.kind == "name" and after.text != "(":
            return token.text, position + 2
        if mark.text == "[" and token.kind == "text" and after.text == "]":
            key = _plain_text(token.text)
            return None if key is None else (key, position + 3)
        return None

    def _follow_scope(self, position: int) -> None:
        text = self._tokens[position].text
        if text == "(":
            self._depth += 1
            if self._at(position - 1).text in _LOOPS and self._is_member(position - 1):
                self._loops.append((self._depth, self._at(position + 1).text))
                if len(self._loops) > _MAXIMUM_LOOPS:
                    raise ExpressionError(f"more than {_MAXIMUM_LOOPS} loops inside each other")
        elif text == ")":
            self._depth -= 1
            self._loops = [loop for loop in self._loops if loop[0] <= self._depth]
