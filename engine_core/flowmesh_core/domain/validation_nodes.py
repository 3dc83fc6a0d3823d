"""What can be wrong with one node, apart from the graph around it."""

from __future__ import annotations

import re

from flowmesh_core.domain.expressions import CompileExpression, ExpressionError
from flowmesh_core.domain.identity import HANDLER_PATTERN, NODE_ID_PATTERN
from flowmesh_core.domain.json_text import JsonError, read_json
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.references import RESERVED_IDS, Expression, parse_expression
from flowmesh_core.domain.templates import may_have_holes, parse_template
from flowmesh_core.domain.validation_policy import check_policies
from flowmesh_core.domain.validation_references import ReferenceChecker
from flowmesh_core.domain.violations import Violations
from flowmesh_core.domain.workflow import Node

_ID_WORDS = "1 to 255 of A-Z a-z 0-9 _ -, starting with a letter or underscore"
_HANDLER_WORDS = "1 to 255 of A-Z a-z 0-9 . _ / : -, starting with a letter, digit or underscore"


class NodeChecker:
    """Checks the nodes of one workflow one by one, and counts what they use together."""

    def __init__(
        self,
        limits: Limits,
        compile_expression: CompileExpression,
        references: ReferenceChecker,
        violations: Violations,
    ) -> None:
        """Add problems to `violations`, and what expressions refer to to `references`."""
        self._limits = limits
        self._compile = compile_expression
        self._references = references
        self._violations = violations
        self._bytes = 0
        self._expressions: set[str] = set()

    def check(self, position: int, node: Node) -> None:
        """Check the node at a position."""
        field = f"dag.nodes[{position}]"
        self._check_name(f"{field}.id", node.id, NODE_ID_PATTERN, "MALFORMED_ID", _ID_WORDS)
        self._check_name(
            f"{field}.handler", node.handler, HANDLER_PATTERN, "MALFORMED_HANDLER", _HANDLER_WORDS
        )
        if node.id in RESERVED_IDS:
            self._violations.add(f"{field}.id", f"'{node.id}' is a word of templates", "RESERVED_ID")
        check_policies(field, node, self._limits, self._violations)
        room = self._limits.references
        if node.condition and self._is_short(f"{field}.condition", node.condition):
            room -= self._check_condition(position, f"{field}.condition", node.condition)
        if node.config is not None and self._is_sized(field, node.config):
            self._check_config(position, field, node.config, room)

    def _check_name(self, field: str, name: str, pattern: re.Pattern[str], reason: str, words: str) -> None:
        if not name:
            self._violations.add(field, "is missing", "REQUIRED")
        elif not pattern.fullmatch(name):
            self._violations.add(field, words, reason)
        elif len(name) > self._limits.id_length:
            self._violations.add(field, too_long(name, self._limits), "LIMIT_EXCEEDED")

    def _is_sized(self, field: str, config: Payload) -> bool:
        size, maximum, total = config.size, self._limits.config_bytes, self._limits.workflow_bytes
        if size > maximum:
            words = f"{size:,} bytes, and at most {maximum:,} are allowed"
            self._violations.add(f"{field}.config", words, "LIMIT_EXCEEDED")
        was_inside = self._bytes <= total
        self._bytes += size
        if was_inside and self._bytes > total:
            words = f"the configs up to this one are over {total:,} bytes"
            self._violations.add(f"{field}.config", words, "LIMIT_EXCEEDED")
        return size <= maximum and self._bytes <= total

    def _check_config(self, position: int, field: str, config: Payload, room: int) -> None:
        if not config.is_json:
            return
        try:
            value = read_json(config.data)
        except JsonError as error:
            for fault in error.faults:
                where = f"{field}.config{_joined(fault.path)}"
                self._violations.add(where, fault.message, "BAD_JSON")
            return
        if may_have_holes(config):
            self._check_template(position, field, value, room)

    def _check_template(self, position: int, field: str, value: object, room: int) -> None:
        template = parse_template(value)
        for fault in template.faults:
            self._violations.add(f"{field}.{fault.path}", fault.message, "BAD_TEMPLATE")
        for hole in template.holes:
            room -= len(hole.expression.references)
            if room < 0:
                words = f"more than {self._limits.references:,} references in one node"
                self._violations.add(f"{field}.{hole.path}", words, "LIMIT_EXCEEDED")
                return
            self._check_expression(position, f"{field}.{hole.path}", hole.expression)

    def _check_condition(self, position: int, field: str, source: str) -> int:
        try:
            expression = parse_expression(source)
        except ExpressionError as error:
            self._violations.add(field, str(error), "BAD_EXPRESSION")
            return 0
        self._check_expression(position, field, expression)
        return len(expression.references)

    def _check_expression(self, position: int, field: str, expression: Expression) -> None:
        if expression.is_path or self._is_cel(field, expression):
            self._references.note(position, field, expression)

    def _is_short(self, field: str, source: str) -> bool:
        maximum = self._limits.expression_bytes
        if len(source.encode(errors="replace")) <= maximum:
            return True
        self._violations.add(field, f"an expression of more than {maximum:,} bytes", "LIMIT_EXCEEDED")
        return False

    def _is_cel(self, field: str, expression: Expression) -> bool:
        if not self._is_short(field, expression.source):
            return False
        if expression.source not in self._expressions:
            self._expressions.add(expression.source)
            if len(self._expressions) == self._limits.expressions + 1:
                words = f"more than {self._limits.expressions:,} different expressions"
                self._violations.add(field, words, "LIMIT_EXCEEDED")
        if len(self._expressions) > self._limits.expressions:
            return False
        return self._compiles(field, expression)

    def _compiles(self, field: str, expression: Expression) -> bool:
        try:
            self._compile(expression.source, expression.variables)
        except ExpressionError as error:
            self._violations.add(field, str(error), "BAD_EXPRESSION")
            return False
        return True


def too_long(name: str, limits: Limits) -> str:
    """Say that a name is over the limit."""
    return f"{len(name):,} characters, and at most {limits.id_length:,} are allowed"


def _joined(path: str) -> str:
    return f".{path}" if path and not path.startswith("[") else path
