"""JSON that means the same to everybody who reads it.

Stricter than the grammar (RFC 8259) where readers disagree: no duplicate keys,
no NaN or Infinity, no numbers that a double cannot hold, no half of a surrogate
pair. Integers have any size up to 4,300 digits, which is where Python stops
because converting them is quadratic. Keys keep their order.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Never

MAXIMUM_DEPTH = 64
"""How deep arrays and objects of a document may nest."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NOT_BRACKET = re.compile(rb"[^\[\]{}]+")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class JsonFault:
    """One thing that is wrong with a document; `path` is like `items[2].url`, empty for all of it."""

    path: str
    message: str


class JsonError(ValueError):
    """A text that is not strict JSON; `faults` has everything that could be found."""

    def __init__(self, *faults: JsonFault) -> None:
        """Read as the first fault."""
        first = faults[0]
        super().__init__(f"{first.path}: {first.message}" if first.path else first.message)
        self.faults = faults


class _Doubtful(Exception):
    """The fast reader met something that the slow one must name."""


class _Duplicated(dict[str, object]):
    """An object whose text has a key twice."""

    duplicate = ""


def read_json(data: bytes, maximum_depth: int = MAXIMUM_DEPTH) -> object:
    """Return the value of a strict JSON document in UTF-8.

    Raises:
        JsonError: With every fault; of syntax errors only the first can be known.
    """
    text = _decode(data)
    _refuse_depth(data, maximum_depth)
    try:
        value = _parse(_FAST, text)
    except _Doubtful:
        raise JsonError(*_faults(_parse(_CAREFUL, text))) from None
    if _SURROGATE_ESCAPE.search(text) and (faults := _faults(value)):
        raise JsonError(*faults)
    return value


def write_json(value: object) -> bytes:
    """Return compact JSON in UTF-8, keys in the order they have.

    Raises:
        ValueError: The value has a NaN, an infinity, a lone surrogate or an
            integer of more than 4,300 digits.
    """
    return json_text(value).encode()


def json_text(value: object) -> str:
    """Return the same as `write_json`, as text."""
    return _ENCODER.encode(value)


def child_path(path: str, key: str | int) -> str:
    """Return the path of a value inside the one at `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key


def children(value: object) -> Iterator[tuple[str | int, object]]:
    """Yield the keys or positions of what an object or array holds, and what is there."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def json_type(value: object) -> str:
    """Return what people call the JSON type of a value, with its article."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    names = ((str, "a string"), (dict, "an object"), (list, "an array"))
    return next((name for kind, name in names if isinstance(value, kind)), "a number")


def _parse(decoder: json.JSONDecoder, text: str) -> object:
    try:
        value: object = decoder.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise JsonError(JsonFault("", f"not JSON: {error.msg.lower()} at {where}")) from None
    except ValueError:
        raise JsonError(JsonFault("", "an integer of more than 4,300 digits")) from None
    return value


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise JsonError(JsonFault("", f"not UTF-8 at byte {error.start}")) from None


def _refuse_depth(data: bytes, maximum: int) -> None:
    """Look before parsing, because the parser's own limit is the stack."""
    if data.count(b"[") + data.count(b"{") <= maximum:
        return
    depth = 0
    for bracket in _NOT_BRACKET.sub(b"", _STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > maximum:
            raise JsonError(JsonFault("", f"nested deeper than {maximum} levels"))


def _faults(document: object) -> list[JsonFault]:
    faults: list[JsonFault] = []
    pending: list[tuple[str, object]] = [("", document)]
    while pending:
        path, value = pending.pop()
        faults.extend(JsonFault(path, message) for message in _faults_of(value))
        pending.extend((child_path(path, key), child) for key, child in children(value))
    return sorted(faults, key=lambda fault: fault.path)


def _faults_of(value: object) -> Iterator[str]:
    if isinstance(value, _Duplicated):
        yield f"the key {json.dumps(value.duplicate)} is there twice"
    if isinstance(value, float) and not math.isfinite(value):
        yield "not a number that a double can hold"
    texts = value if isinstance(value, dict) else (value,)
    if any(isinstance(text, str) and _LONE_SURROGATE.search(text) for text in texts):
        yield "half of a surrogate pair"


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Doubtful
    return value


def _marked(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    marked = _Duplicated(value)
    marked.duplicate = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return marked


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Doubtful
    return number


def _no_constant(_name: str) -> Never:
    raise _Doubtful


_FAST = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)
_CAREFUL = json.JSONDecoder(object_pairs_hook=_marked)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
