"""The rules that fields of requests share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowmesh_core.domain.errors import FieldViolation, InvalidRequest
from flowmesh_core.domain.identity import MAXIMUM_ID_LENGTH, NAME_PATTERN, ExecutionKey
from flowmesh_core.domain.time import Micros

MAXIMUM_PAGE_SIZE = 1_000
DEFAULT_PAGE_SIZE = 100
MAXIMUM_LABELS = 64
MAXIMUM_LABEL_KEY = 63
MAXIMUM_LABEL_VALUE = 255


class RequestCheck:
    """Gathers everything that is wrong with a request, to refuse it once.

    Attributes:
        violations: What was found so far.
    """

    def __init__(self, violations: Iterable[FieldViolation] = ()) -> None:
        """Start from what the conversion of the request found wrong."""
        self.violations = list(violations)

    def name(self, field: str, value: str) -> None:
        """Require a namespace, workflow name or execution id."""
        if not NAME_PATTERN.fullmatch(value):
            rule = "must be 1 to 255 of A-Z a-z 0-9 . _ -, starting with a letter or digit"
            self._add(field, f"{rule}; it is {shown(value)}", "MALFORMED")

    def key(self, key: ExecutionKey) -> None:
        """Require a key that an execution can have."""
        self.name("namespace", key.namespace)
        self.name("execution_id", key.execution_id)

    def text(self, field: str, value: str, maximum: int = MAXIMUM_ID_LENGTH) -> None:
        """Require text that can be stored, of at most `maximum` characters."""
        if len(value) > maximum:
            self._add(field, f"has {len(value):,} characters; at most {maximum:,} are allowed", "TOO_LONG")
        if "\0" in value:
            self._add(field, "holds a NUL character", "MALFORMED")

    def labels(self, field: str, labels: Mapping[str, str]) -> None:
        """Require labels within their limits."""
        if len(labels) > MAXIMUM_LABELS:
            self._add(field, f"has {len(labels):,} labels; at most {MAXIMUM_LABELS} are allowed", "TOO_MANY")
            return
        for key, value in labels.items():
            path = f"{field}[{shown(key)}]"
            if not key:
                self._add(path, "has an empty key", "REQUIRED")
            self.text(path, key, MAXIMUM_LABEL_KEY)
            self.text(path, value, MAXIMUM_LABEL_VALUE)

    def span(self, field: str, value: Micros, maximum: Micros) -> None:
        """Require a span from zero to `maximum`."""
        if not 0 <= value <= maximum:
            self._add(field, f"must be from 0 to {maximum / 1_000_000:,.0f} seconds", "OUT_OF_RANGE")

    def not_negative(self, field: str, value: int) -> None:
        """Require a number from zero."""
        if value < 0:
            self._add(field, f"must not be negative; it is {value}", "OUT_OF_RANGE")

    def page_size(self, value: int) -> int:
        """Return the page size that a request means: 0 is the default, and the maximum binds."""
        self.not_negative("page_size", value)
        return min(value, MAXIMUM_PAGE_SIZE) or DEFAULT_PAGE_SIZE

    def required(self, field: str) -> None:
        """Record that a field is not there."""
        self._add(field, "is required", "REQUIRED")

    def refuse_if_wrong(self) -> None:
        """Raise `InvalidRequest` with everything that was found."""
        if self.violations:
            raise self.refusal()

    def refusal(self) -> InvalidRequest:
        """Return the error that names everything that was found, at least one thing."""
        return InvalidRequest(_summary(self.violations), violations=self.violations)

    def _add(self, field: str, description: str, reason: str) -> None:
        self.violations.append(FieldViolation(field, description, reason))


def check_key(key: ExecutionKey) -> None:
    """Raise `InvalidRequest` for a key that no execution can have."""
    check = RequestCheck()
    check.key(key)
    check.refuse_if_wrong()


def shown(value: str, maximum: int = 64) -> str:
    """Return a value as a message may show it: quoted, printable and short."""
    return ascii(value) if len(value) <= maximum else ascii(value[:maximum]) + "…"


def _summary(violations: list[FieldViolation]) -> str:
    first = f"{violations[0].field}: {violations[0].description}"
    return first if len(violations) == 1 else f"{first} (and {len(violations) - 1:,} more)"
