"""What an expression may cost at most, judged before it runs.

The engine itself stops after 10,000 iterations and 32 levels of nesting, but it
cannot be interrupted, and within those bounds it can still be made to work for
minutes or take gigabytes: `map` and `filter` are quadratic in the length of a
list, lists and strings grow by `+`, and one comparison may walk a whole value.
So the worst case is bounded from how often these occur in the source and from
the size of the values, and what could be too much is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowmesh_core.domain.expressions import ExpressionError
from flowmesh_core.domain.references import STRING_PATTERN

_ITERATIONS = 10_000
"""The engine's own bound."""
_REGEX_WEIGHT = 16
"""How much slower a byte is matched than compared."""
_VALUE_WEIGHT = 32
"""What handling a value costs, in bytes that could be compared in that time."""

_ITEM = 16
"""Bytes that one item of a list takes when the list is copied."""

_NOT_CODE = re.compile(rf"(//[^\n]*|`[^`]*`)|{STRING_PATTERN}")
_AROUND_PLUS = re.compile(r"\s*\+\s*")
_ADDED_TO_LITERAL = re.compile(r'(?<="")\+|\+(?=""|[0-9])')
_LOOP_OR_PARENTHESIS = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|filter|map)\s*\(|[()]")
_VALUE_WALK = re.compile(r"[=!]=|\bin\b")
_LITERAL_WALK = re.compile(r'[=!]=\s*(?:""|-?[0-9]|\b(?:true|false|null)\b)')
_TEXT_WALK = re.compile(r"[<>]|\b(?:bytes|contains|double|endsWith|int|size|startsWith|string|uint)\s*\(")
_REGEX = re.compile(r"\bmatches\s*\(")
_CONVERSION = re.compile(r"\b(?:bytes|string)\s*\(")
_GROWN_RANGE = re.compile(r"[)\]}]\s*\.\s*(?:all|exists|exists_one|existsOne|filter|map)\s*\(")


@dataclass(frozen=True, slots=True)
class CelLimits:
    """The bounds of one expression.

    Attributes:
        source_bytes: Its text.
        list_items: The length of a list it sees.
        context_bytes: All that it sees together: characters, and 8 for every other value.
        result_bytes: What it returns, measured in the same way.
        depth: The nesting of values it sees and returns.
        range_items: The length that lists might grow to which it loops over.
        work: Bytes it might compare or search, and 32 for every other value it might handle.
        memory: Bytes of strings and lists it might make.
        cached: Compiled expressions kept.
    """

    source_bytes: int = 4 * 1024
    list_items: int = 1_000
    context_bytes: int = 256 * 1024
    result_bytes: int = 256 * 1024
    depth: int = 64
    range_items: int = 2_000
    work: int = 256 * 1024 * 1024
    memory: int = 64 * 1024 * 1024
    cached: int = 4_096


@dataclass(slots=True)
class Size:
    """The size of the values an expression sees; see `CelLimits`."""

    bytes: int = 0
    values: int = 0
    longest_text: int = 0
    longest_list: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """How often the source does what can be expensive."""

    length: int
    additions: int
    list_additions: int
    conversions: int
    text_walks: int
    value_walks: int
    loops: int
    nested_loops: int
    commas: int
    may_loop_over_sum: bool

    @classmethod
    def of(cls, source: str) -> Shape:
        """Count in a source; strings and comments do not count."""
        code = _NOT_CODE.sub(lambda match: " _ " if match[1] else '""', source)
        code = _AROUND_PLUS.sub("+", code)
        loops, nested = _loops(code)
        additions = code.count("+")
        literal_walks, matches = len(_LITERAL_WALK.findall(code)), len(_REGEX.findall(code))
        list_additions = additions - len(_ADDED_TO_LITERAL.findall(code))
        return cls(
            length=len(source),
            additions=additions,
            list_additions=list_additions,
            conversions=len(_CONVERSION.findall(code)),
            text_walks=literal_walks + len(_TEXT_WALK.findall(code)) + matches * _REGEX_WEIGHT,
            value_walks=len(_VALUE_WALK.findall(code)) - literal_walks,
            loops=loops,
            nested_loops=nested,
            commas=code.count(","),
            may_loop_over_sum=list_additions > 0 and (loops > 1 or _GROWN_RANGE.search(code) is not None),
        )

    def refuse_if_costly(self, size: Size, limits: CelLimits) -> None:
        """Raise `ExpressionError` when evaluating on values of this size might cost too much."""
        if not self.loops:
            self._refuse_memory(size, 1, limits)
            return
        items = max(size.longest_list, self.commas + 1)
        grown = items * (self.list_additions + 1) if self.may_loop_over_sum else items
        if grown > limits.range_items:
            raise ExpressionError(f"it might loop over a list of more than {limits.range_items:,} items")
        iterations = min(_ITERATIONS, self.loops * grown**self.nested_loops)
        if iterations * self._work(size) > limits.work:
            raise ExpressionError("its loops might take too long on values of this size")
        self._refuse_memory(size, iterations, limits)

    def _work(self, size: Size) -> int:
        """Return what one iteration may have to look at: a text has one string, a value is anything."""
        text = self._longest_text(size) + _VALUE_WEIGHT
        value = (size.bytes + _VALUE_WEIGHT * size.values + self.length) * (self.list_additions + 1)
        return self.text_walks * text + self.value_walks * (value + text)

    def _longest_text(self, size: Size) -> int:
        return max(size.longest_text, self.length) * (self.additions + 1)

    def _refuse_memory(self, size: Size, iterations: int, limits: CelLimits) -> None:
        longest_list = _ITEM * size.longest_list * (self.list_additions + 1)
        texts = (self.additions + self.conversions) * self._longest_text(size)
        if iterations * (texts + self.list_additions * longest_list) > limits.memory:
            raise ExpressionError("it might take too much memory on values of this size")


def _loops(code: str) -> tuple[int, int]:
    """Return how many loops there are, and how many at most inside each other."""
    open_loops: list[bool] = []
    count = deepest = 0
    for match in _LOOP_OR_PARENTHESIS.finditer(code):
        if match.group() == ")":
            if open_loops:
                open_loops.pop()
            continue
        is_loop = match.group() != "("
        open_loops.append(is_loop)
        count += is_loop
        deepest = max(deepest, sum(open_loops))
    return count, deepest
