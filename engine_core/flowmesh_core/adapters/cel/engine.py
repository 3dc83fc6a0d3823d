"""The engine behind the port."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from cel_expr_python import cel  # type: ignore[import-untyped]

from flowmesh_core.adapters.cel.cost import CelLimits, Shape
from flowmesh_core.adapters.cel.values import ResultReader, measure
from flowmesh_core.domain.expressions import Evaluate, ExpressionError

_LIMITS = CelLimits()
_ENVIRONMENTS = 256

_PROBLEM = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_STATUS = re.compile(r"^(?:[A-Z_]+: )|(?: \[[A-Z_]+\])$")


class CelExpressionEngine:
    """CEL with its standard library, without extensions.

    The extension for optional values (`a.?b`) is left out on purpose: version
    0.1.3 crashes the process when such a value is inside a result.

    Integers and doubles compare by value (`5 == 5.0`); mixing them in
    arithmetic is an error, as in all of CEL. Integers that do not fit in 64
    bits are refused. Errors inside the engine are values of a type of their own.

    Safe to use from several threads.
    """

    def __init__(self, limits: CelLimits = _LIMITS) -> None:
        """Evaluate within `limits`."""
        self._limits = limits
        self._environment = lru_cache(_ENVIRONMENTS)(_new_environment)
        self._compiled = lru_cache(limits.cached)(self._compile)

    def compile(self, source: str, variables: Collection[str]) -> Evaluate:
        """Return the compiled expression; see `ExpressionEngine.compile`."""
        return self._compiled(source, frozenset(variables))

    def _compile(self, source: str, variables: frozenset[str]) -> Evaluate:
        if len(source.encode()) > self._limits.source_bytes:
            raise ExpressionError(f"an expression of more than {self._limits.source_bytes:,} bytes")
        try:
            expression = self._environment(variables).compile(source)
        except RuntimeError as error:
            raise ExpressionError(_compile_problem(str(error))) from None
        shape, limits = Shape.of(source), self._limits

        def evaluate(values: Mapping[str, object]) -> object:
            context = dict(values)
            shape.refuse_if_costly(measure(context, limits), limits)
            return ResultReader(limits).read(_evaluated(expression, context))

        return evaluate


def _new_environment(variables: frozenset[str]) -> cel.Env:
    return cel.NewEnv(variables=dict.fromkeys(sorted(variables), cel.Type.DYN))


def _evaluated(expression: cel.Expression, context: dict[str, object]) -> cel.Value:
    try:
        value = expression.eval(data=context)
    except RuntimeError as error:  # so the engine reports that it gave up
        raise ExpressionError(_without_status(str(error))) from None
    if value.type() == cel.Type.ERROR:
        raise ExpressionError(_without_status(str(value.value())))
    return value


def _compile_problem(message: str) -> str:
    found = _PROBLEM.findall(message)
    if not found:
        return _without_status(message)
    return "; ".join(f"{words} at {line}:{column}" for line, column, words in found[:3])


def _without_status(message: str) -> str:
    return _STATUS.sub("", message.split("\n", 1)[0])[:500]
