"""Templates: `{{ … }}` inside the strings of a config.

A string that is one hole and nothing else becomes the value itself, with its
JSON type. In any other string a hole is replaced by text: a string as it is,
everything else as compact JSON. What a hole becomes is never read as a template.
For literal braces write them as a string of CEL: `{{ "{{" }}`. Braces that are
balanced without a hole, as in `{"a":{"b":1}}`, need nothing. Keys of objects are
never templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce

from flowmesh_core.domain.expressions import ExpressionError
from flowmesh_core.domain.json_text import child_path, json_text
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.references import STRING_PATTERN, Expression, parse_expression

_INSIDE = re.compile(rf"{STRING_PATTERN}|[{{}}'\"]")
_NEVER_VALID = frozenset({"}", "'", '"'})
"""Inside a hole: a brace that closes nothing, and quotes that open a string without end."""
_BRACES = re.compile(r"\{\{|\}\}|\{|\}")
_ESCAPED_BRACE = re.compile(rb"\\u007[bBdD]")


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a config that an expression fills; `path` says where, `in_text` that text surrounds it."""

    path: str
    expression: Expression
    in_text: bool


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """Something wrong with the template at `path`."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Template:
    """A config as the JSON text between its holes, and its holes."""

    pieces: tuple[str | Hole, ...]
    faults: tuple[TemplateFault, ...] = ()

    @property
    def holes(self) -> Iterator[Hole]:
        """The holes, in the order of the text."""
        return (piece for piece in self.pieces if isinstance(piece, Hole))

    def fill(self, value_of: Callable[[Hole], object], maximum_bytes: int) -> bytes:
        """Return the JSON of the config with every hole filled.

        Raises:
            ExpressionError: From `value_of`, or when the result is over `maximum_bytes`;
                never holds more than that and one value.
        """
        try:
            return self._fill(value_of, maximum_bytes)
        except ValueError as error:
            raise ExpressionError(f"a value has no form in JSON: {error}") from error

    def _fill(self, value_of: Callable[[Hole], object], maximum_bytes: int) -> bytes:
        known: dict[tuple[str, bool], str] = {}
        texts: list[str] = []
        room = maximum_bytes
        for piece in self.pieces:
            text = piece if isinstance(piece, str) else _filled(piece, value_of, known)
            room -= len(text)
            if room < 0:
                raise _too_large(maximum_bytes)
            texts.append(text)
        data = "".join(texts).encode()
        if len(data) > maximum_bytes:
            raise _too_large(maximum_bytes)
        return data


def may_have_holes(config: Payload) -> bool:
    """Say whether a config can hold templates at all, without parsing it."""
    data = config.data
    has_braces = b"{{" in data or b"}}" in data or _ESCAPED_BRACE.search(data) is not None
    return config.is_json and has_braces


def parse_template(config: object) -> Template:
    """Return the template that a config, as a JSON value, is; its paths begin with `config`."""
    reader = _ConfigReader()
    reader.read(config, ())
    return Template(tuple(_merged(reader.pieces)), tuple(reader.faults))


def _filled(hole: Hole, value_of: Callable[[Hole], object], known: dict[tuple[str, bool], str]) -> str:
    key = (hole.expression.source, hole.in_text)
    if key not in known:
        value = value_of(hole)
        text = json_text(value)
        if hole.in_text:
            text = (text if isinstance(value, str) else json_text(text))[1:-1]
        known[key] = text
    return known[key]


def _too_large(maximum_bytes: int) -> ExpressionError:
    return ExpressionError(f"the config with its templates resolved is over {maximum_bytes:,} bytes")


def _merged(pieces: list[str | Hole]) -> Iterator[str | Hole]:
    texts: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
            continue
        yield "".join(texts)
        yield piece
        texts.clear()
    yield "".join(texts)


_Path = tuple[str | int, ...]


def _shown(path: _Path) -> str:
    return reduce(child_path, path, "config")


@dataclass(slots=True)
class _ConfigReader:
    pieces: list[str | Hole] = field(default_factory=list)
    faults: list[TemplateFault] = field(default_factory=list)

    def read(self, value: object, path: _Path) -> None:
        if isinstance(value, str) and ("{{" in value or "}}" in value):
            self._read_string(value, path)
        elif isinstance(value, dict):
            self._read_object(value, path)
        elif isinstance(value, list):
            self._read_array(value, path)
        else:
            self.pieces.append(json_text(value))

    def _read_object(self, value: dict[str, object], path: _Path) -> None:
        for position, (key, child) in enumerate(value.items()):
            if "{{" in key:
                self.faults.append(TemplateFault(_shown((*path, key)), "keys cannot be templates"))
            self.pieces.append(f"{',' if position else '{'}{json_text(key)}:")
            self.read(child, (*path, key))
        self.pieces.append("}" if value else "{}")

    def _read_array(self, value: list[object], path: _Path) -> None:
        for position, child in enumerate(value):
            self.pieces.append("," if position else "[")
            self.read(child, (*path, position))
        self.pieces.append("]" if value else "[]")

    def _read_string(self, text: str, keys: _Path) -> None:
        path = _shown(keys)
        try:
            parts = list(_parts(text))
        except ExpressionError as error:
            self.faults.append(TemplateFault(path, str(error)))
            return
        if len(parts) == 1 and isinstance(parts[0], Expression):
            self.pieces.append(Hole(path, parts[0], in_text=False))
            return
        self.pieces.append('"')
        for part in parts:
            self.pieces.append(
                json_text(part)[1:-1] if isinstance(part, str) else Hole(path, part, in_text=True)
            )
        self.pieces.append('"')


def _parts(text: str) -> Iterator[str | Expression]:
    position = depth = 0
    while True:
        start, depth = _next_hole(text, position, depth)
        if start > position:
            yield text[position:start]
        if start == len(text):
            return
        end = _hole_end(text, start + 2)
        source = text[start + 2 : end].strip()
        if not source:
            raise ExpressionError("empty braces")
        yield parse_expression(source)
        position = end + 2


def _next_hole(text: str, position: int, depth: int) -> tuple[int, int]:
    """Return where the next hole or else the end is, and how many plain braces are open there."""
    for match in _BRACES.finditer(text, position):
        braces = match.group()
        if braces == "{{":
            return match.start(), depth
        if braces == "}}" and depth < 2:
            raise ExpressionError('unbalanced braces: "}}" closes nothing; literal ones are {{ "}}" }}')
        depth = max(0, depth + (1 if braces == "{" else -len(braces)))
    return len(text), depth


def _hole_end(text: str, position: int) -> int:
    depth = 0
    for match in _INSIDE.finditer(text, position):
        if match.group() == "{":
            depth += 1
        elif match.group() == "}" and depth:
            depth -= 1
        elif match.group() == "}" and text.startswith("}}", match.start()):
            return match.start()
        elif match.group() in _NEVER_VALID:
            break
    raise ExpressionError('unbalanced braces: "{{" is never closed; literal ones are {{ "{{" }}')
