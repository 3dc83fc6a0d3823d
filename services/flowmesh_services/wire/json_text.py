"""Whether bytes are JSON that every part of the engine can read."""

from __future__ import annotations

import json
import math
from typing import Never

import orjson

MAXIMUM_DEPTH = 200
"""How deep arrays and objects may nest: far below where parsers give up."""


def json_problem(data: bytes, maximum_depth: int = MAXIMUM_DEPTH) -> str:
    """Say what keeps the bytes from being JSON in UTF-8; empty when nothing does.

    NaN, infinities, numbers beyond a double, integers over 4,300 digits and lone
    surrogates are refused. Integers of any other size are fine.
    """
    try:
        value = _parse(data)
    except (ValueError, RecursionError) as error:
        return str(error)
    brackets = data.count(b"[") + data.count(b"{")
    if brackets > maximum_depth and _is_deeper(value, maximum_depth):
        return f"nested deeper than {maximum_depth} levels"
    return ""


def _parse(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except ValueError:
        return _parse_exactly(data)  # orjson refuses integers beyond the largest double


def _parse_exactly(data: bytes) -> object:
    text = data.decode()
    value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    json.dumps(value, ensure_ascii=False).encode()  # finds lone surrogates
    return value


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:32]} is beyond the range of a double")
    return number


def _is_deeper(value: object, levels: int) -> bool:
    layer = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        layer = [child for item in layer for child in _children(item) if isinstance(child, dict | list)]
        if not layer:
            return False
    return True


def _children(container: object) -> list[object]:
    if isinstance(container, dict):
        return list(container.values())
    return container if isinstance(container, list) else []
