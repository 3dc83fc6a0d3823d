"""Conditions and expressions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from flowmesh_core.domain.expressions import Evaluate


class ExpressionEngine(Protocol):
    """Compiles expressions of the Common Expression Language (cel-spec).

    A compiled expression is pure, has no access to anything but its variables,
    and ends: its size, nesting, iterations and the size of lists and of the
    values it sees are limited. It has no in-memory twin: every engine works in
    memory, and a second implementation of the language would be a second truth.
    """

    def compile(self, source: str, variables: Collection[str]) -> Evaluate:
        """Return the compiled expression; compiling the same source again is cheap.

        Raises:
            ExpressionError: The source is too long, does not parse, or uses a
                variable that is not declared.
        """
