"""Values on their way into the engine and back."""

from __future__ import annotations

import math

from cel_expr_python import cel  # type: ignore[import-untyped]

from flowmesh_core.adapters.cel.cost import CelLimits, Size
from flowmesh_core.domain.expressions import ExpressionError

_SCALAR = 8
_LEAST, _GREATEST = -(2**63), 2**63 - 1
_SAME_IN_JSON = frozenset({"BOOL", "INT", "UINT", "STRING", "NULL"})


def measure(value: object, limits: CelLimits) -> Size:
    """Return the size of JSON values that an expression is about to see.

    Raises:
        ExpressionError: They are over a limit, or have an integer that does not fit in 64 bits.
    """
    size = Size()
    layer = [value]
    depth = 0
    while layer:
        if depth > limits.depth:
            raise ExpressionError(f"it sees values nested deeper than {limits.depth} levels")
        below: list[object] = []
        for each in layer:
            _add(each, size, below, limits)
        layer, depth = below, depth + 1
    return size


def _add(value: object, size: Size, below: list[object], limits: CelLimits) -> None:
    size.values += 1
    if isinstance(value, str):
        size.bytes += len(value)
        size.longest_text = max(size.longest_text, len(value))
        _refuse_nul(value)
    else:
        size.bytes += _SCALAR
    if isinstance(value, dict | list):
        _enter(value, size, below, limits)
    elif isinstance(value, int) and not _LEAST <= value <= _GREATEST:
        raise ExpressionError(
            "it sees an integer that does not fit in 64 bits; only a plain path can pass it"
        )
    if size.bytes > limits.context_bytes:
        raise ExpressionError(f"it sees more than {limits.context_bytes:,} bytes of values")


def _enter(
    value: dict[str, object] | list[object], size: Size, below: list[object], limits: CelLimits
) -> None:
    size.longest_list = max(size.longest_list, len(value))
    if isinstance(value, list):
        if len(value) > limits.list_items:
            raise ExpressionError(f"it sees a list of {len(value):,} items, over {limits.list_items:,}")
        below.extend(value)
        return
    size.bytes += sum(map(len, value))
    _refuse_nul("".join(value))
    below.extend(value.values())


def _refuse_nul(text: str) -> None:
    """The engine takes texts as C strings and would silently end them there."""
    if "\0" in text:
        raise ExpressionError("it sees text with a NUL character; only a plain path can pass it")


class ResultReader:
    """Turns one result of the engine into a JSON value, and stops when it gets too large."""

    def __init__(self, limits: CelLimits) -> None:
        """Stop by these limits."""
        self._limits = limits
        self._room = limits.result_bytes

    def read(self, value: cel.Value, depth: int = 0) -> object:
        """Return the value.

        Raises:
            ExpressionError: It is over a limit or of a type that JSON does not have.
        """
        kind = value.type().name().partition("<")[0]
        if depth > self._limits.depth:
            raise ExpressionError(f"its result is nested deeper than {self._limits.depth} levels")
        if kind in _SAME_IN_JSON:
            return self._counted(value.value())
        if kind == "DOUBLE":
            return self._counted(_finite(value.value()))
        if kind == "LIST":
            self._counted(None)
            return [self.read(item, depth + 1) for item in value.value()]
        if kind == "MAP":
            self._counted(None)
            return {self._key(key): self.read(item, depth + 1) for key, item in value.value().items()}
        raise ExpressionError(f"its result has a {kind.lower()}, which JSON has no form for")

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise ExpressionError("its result has a map with keys that are not strings")
        self._counted(key)
        return key

    def _counted(self, value: object) -> object:
        self._room -= len(value) if isinstance(value, str) else _SCALAR
        if self._room < 0:
            raise ExpressionError(f"its result is over {self._limits.result_bytes:,} bytes")
        return value


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ExpressionError(f"its result has {number}, which JSON has no form for")
    return number
