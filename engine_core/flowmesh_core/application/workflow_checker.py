"""Checking workflows as they come in, once per content."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from flowmesh_core.application.bounded_cache import BoundedCache
from flowmesh_core.domain.definition import digest
from flowmesh_core.domain.errors import FieldViolation, InvalidWorkflow
from flowmesh_core.domain.expressions import CompileExpression
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.validation import validate
from flowmesh_core.domain.violations import Violations
from flowmesh_core.domain.workflow import Workflow

_CACHED_BYTES = 16 * 1024 * 1024
_CHECKED_ON_THE_LOOP = 32 * 1024
_MAXIMUM_THREADS = 2


@dataclass(frozen=True, slots=True)
class Draft:
    """A workflow as it was read, and what could not be read as the caller wrote it.

    A field that is named in `violations` has its default in `workflow`.
    """

    workflow: Workflow
    violations: tuple[FieldViolation, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceivedWorkflow:
    """A workflow that has not been looked at.

    Attributes:
        fingerprint: Equal for equal content.
        size: The bytes it came in.
        read: Reads it; pure, and slow when `size` is large.
    """

    fingerprint: bytes
    size: int
    read: Callable[[], Draft]


@dataclass(frozen=True, slots=True)
class CheckedWorkflow:
    """A workflow and everything that is wrong with it; `digest` is empty unless that is nothing."""

    workflow: Workflow
    digest: str
    violations: tuple[FieldViolation, ...]

    def refuse_if_wrong(self, others: tuple[FieldViolation, ...] = ()) -> None:
        """Raise `InvalidWorkflow` with every problem, those of the rest of the request last."""
        if self.violations:
            first = self.violations[0]
            more = len(self.violations) + len(others) - 1
            message = f"{first.field}: {first.description}" + (f" (and {more:,} more)" if more else "")
            raise InvalidWorkflow(message, violations=self.violations + others)


class WorkflowChecker:
    """Reads, validates and digests workflows, and remembers the outcome by content."""

    def __init__(self, limits: Limits, compile_expression: CompileExpression) -> None:
        """Check against `limits`, expressions included."""
        self._limits = limits
        self._compile = compile_expression
        self._known: BoundedCache[bytes, CheckedWorkflow] = BoundedCache(_CACHED_BYTES)
        self._threads = asyncio.Semaphore(_MAXIMUM_THREADS)

    async def check(self, received: ReceivedWorkflow) -> CheckedWorkflow:
        """Return what is known or found; a large workflow is looked at beside the event loop."""
        known = self._known.get(received.fingerprint)
        if known is not None:
            return known
        if received.size <= _CHECKED_ON_THE_LOOP:
            return self._remember(received, self._check(received))
        async with self._threads:
            known = self._known.get(received.fingerprint)
            if known is not None:
                return known
            return self._remember(received, await asyncio.to_thread(self._check, received))

    def _remember(self, received: ReceivedWorkflow, checked: CheckedWorkflow) -> CheckedWorkflow:
        self._known.put(received.fingerprint, checked, received.size)
        return checked

    def _check(self, received: ReceivedWorkflow) -> CheckedWorkflow:
        draft = received.read()
        misread = {violation.field for violation in draft.violations}
        found = validate(draft.workflow, self._limits, self._compile)
        named = Violations(self._limits.violations)
        for each in (*draft.violations, *(each for each in found if each.field not in misread)):
            named.add(each.field, each.description, each.reason)
        violations = named.all()
        return CheckedWorkflow(draft.workflow, "" if violations else digest(draft.workflow), violations)
