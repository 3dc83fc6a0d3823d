"""The value of an expression in one execution."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flowmesh_core.domain.expressions import MISSING, CompileExpression, ExpressionError, Scope
from flowmesh_core.domain.json_text import child_path
from flowmesh_core.domain.references import INPUT, NODES, Expression, Reference

_OUTPUT = "output"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates the expressions of one workflow.

    CEL is compiled when it is needed, because a graph may have thousands of
    expressions of which a short execution uses few; the engine remembers.
    """

    index: Mapping[str, int]
    compile_expression: CompileExpression

    def value(self, expression: Expression, scope: Scope) -> object:
        """Return the JSON value of the expression.

        Raises:
            ExpressionError: A value is missing or has the wrong type; names the expression.
        """
        try:
            if expression.is_path:
                return self._follow(expression.references[0], scope)
            evaluate = self.compile_expression(expression.source, expression.variables)
            return evaluate(self._context(expression, scope))
        except ExpressionError as error:
            raise ExpressionError(f"`{_shortened(expression.source)}`: {error}") from error

    def _follow(self, reference: Reference, scope: Scope) -> object:
        if reference.node is None:
            return _inside(scope.input(), reference.path, INPUT)
        output = scope.output(self.index[reference.node])
        if output is MISSING:
            raise ExpressionError(f"node '{reference.node}' did not complete, so it has no output")
        path = reference.path[1:] if reference.path[:1] == (_OUTPUT,) else reference.path
        return _inside(output, path, f"{reference.node}.{_OUTPUT}")

    def _context(self, expression: Expression, scope: Scope) -> dict[str, object]:
        """Return the variables with only those parts that the expression can read."""
        paths: defaultdict[str | None, list[Path]] = defaultdict(list)
        for reference in expression.references:
            paths[reference.node].append(reference.path)
        context: dict[str, object] = {}
        nodes: dict[str, object] = {}
        for reference in expression.references:
            if reference.node is None:
                context[INPUT] = _narrowed(scope.input(), paths[None])
                continue
            seen = _narrowed(_node_fields(scope.output(self.index[reference.node])), paths[reference.node])
            target = nodes if reference.variable == NODES else context
            target[reference.node] = seen
        return {**context, NODES: nodes} if nodes else context


def _inside(value: object, path: Path, where: str) -> object:
    for key in path:
        if not _has(value, key):
            raise ExpressionError(f"there is no {_named(key)} in {where}")
        value = value[key]  # type: ignore[index]
        where = child_path(where, key)
    return value


def _has(value: object, key: str | int) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(value, list) and isinstance(key, int) and key < len(value)


def _named(key: str | int) -> str:
    return f"item {key}" if isinstance(key, int) else f"'{key}'"


def _node_fields(output: object) -> dict[str, object]:
    if output is MISSING:
        return {}
    fields = output if isinstance(output, dict) else {}
    return {**fields, _OUTPUT: output}


def _narrowed(value: object, paths: Iterable[Path]) -> object:
    if not isinstance(value, dict):
        return value
    below: defaultdict[str | int, list[Path]] = defaultdict(list)
    for path in paths:
        if not path:
            return value
        below[path[0]].append(path[1:])
    return {key: _narrowed(value[key], rest) for key, rest in below.items() if key in value}


def _shortened(source: str, length: int = 120) -> str:
    return source if len(source) <= length else f"{source[:length]}…"
