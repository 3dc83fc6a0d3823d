"""What templates and conditions see, and how they fail."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol, final


class ExpressionError(Exception):
    """A template or an expression is wrong, or fails on the values of this execution.

    The message is for people and names the node or field that is to blame.
    """


@final
class Missing:
    """The type of `MISSING`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""Stands where a node has no output because it did not complete; never a JSON value."""

Evaluate = Callable[[Mapping[str, object]], object]
"""Takes the JSON values of the variables and returns a JSON value.

Raises `ExpressionError` when the expression fails on these values or runs over
its cost limit.
"""

CompileExpression = Callable[[str, Collection[str]], Evaluate]
"""Compiles a source for a set of variables; see `ExpressionEngine.compile`."""


class Scope(Protocol):
    """The values of one execution at the moment a node is decided."""

    def input(self) -> object:
        """Return the execution's input as a JSON value.

        Raises:
            ExpressionError: The input is not JSON.
        """

    def output(self, node: int) -> object:
        """Return the output of a node, by index, as a JSON value; `MISSING` when it has none.

        Raises:
            ExpressionError: The output is not JSON.
        """
