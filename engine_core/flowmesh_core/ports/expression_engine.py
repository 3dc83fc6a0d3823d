"""Conditions and expressions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

Evaluate = Callable[[Mapping[str, object]], object]
"""Takes the JSON values of the variables and returns a JSON value.

Raises `ExpressionError` (in `flowmesh_core.domain.expressions`) when the
expression fails on these values or runs over its cost limit.
"""


class ExpressionEngine(Protocol):
    """Compiles expressions of the Common Expression Language (cel-spec).

    A compiled expression is pure, has no access to anything but its variables,
    and ends: its size, nesting, iterations and the size of lists and of the
    values it sees are limited.
    """

    def compile(self, source: str, variables: Collection[str]) -> Evaluate:
        """Return the compiled expression; compiling the same source again is cheap.

        Raises:
            ExpressionError: The source is too long, does not parse, or uses a
                variable that is not declared.
        """
