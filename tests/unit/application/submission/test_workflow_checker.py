from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection

import pytest

from flowmesh_core.application.workflow_checker import Draft, ReceivedWorkflow, WorkflowChecker
from flowmesh_core.domain.definition import digest
from flowmesh_core.domain.errors import FieldViolation, InvalidWorkflow
from flowmesh_core.domain.expressions import Evaluate
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.workflow import Node, Workflow

GOOD = Workflow("w", (Node("a", "h"),))


def no_expressions(_source: str, _variables: Collection[str]) -> Evaluate:
    raise NotImplementedError


class Reading:
    """Counts how often a workflow is read, and in which thread."""

    def __init__(self, draft: Draft, size: int = 100) -> None:
        self.draft = draft
        self.threads: list[int] = []
        self.received = ReceivedWorkflow(b"fingerprint", size, self.read)

    def read(self) -> Draft:
        self.threads.append(threading.get_ident())
        return self.draft


@pytest.mark.parametrize(("size", "beside"), [(100, False), (1_000_000, True)])
async def test_a_large_workflow_is_looked_at_beside_the_loop(size: int, beside: bool) -> None:
    reading = Reading(Draft(GOOD), size)
    checked = await WorkflowChecker(Limits(), no_expressions).check(reading.received)
    assert checked.digest == digest(GOOD)
    assert (reading.threads[0] != threading.get_ident()) is beside


@pytest.mark.parametrize("size", [100, 1_000_000])
async def test_the_same_content_is_looked_at_once(size: int) -> None:
    reading = Reading(Draft(GOOD), size)
    checker = WorkflowChecker(Limits(), no_expressions)
    checks = await asyncio.gather(*(checker.check(reading.received) for _ in range(2)))
    checks.append(await checker.check(reading.received))
    assert len(set(map(id, checks))) <= 2  # two may begin at once
    assert len(reading.threads) <= 2


async def test_what_was_misread_is_told_with_what_is_wrong() -> None:
    bad = Workflow("w", (Node("a", "no handler", ("nobody",)),))
    misread = FieldViolation("dag.nodes[0].handler", "cannot be read", "MISREAD")
    checked = await WorkflowChecker(Limits(), no_expressions).check(Reading(Draft(bad, (misread,))).received)
    assert [(each.field, each.reason) for each in checked.violations] == [
        ("dag.nodes[0].handler", "MISREAD"),
        ("dag.nodes[0].dependencies[0]", "UNKNOWN_DEPENDENCY"),
    ]
    assert checked.digest == ""
    with pytest.raises(InvalidWorkflow, match="and 2 more") as refused:
        checked.refuse_if_wrong((FieldViolation("labels", "too many", "TOO_MANY"),))
    assert [each.field for each in refused.value.violations][-1] == "labels"


async def test_no_more_problems_are_named_than_allowed() -> None:
    misread = tuple(FieldViolation(f"dag.nodes[{index}]", "cannot be read", "MISREAD") for index in range(50))
    checker = WorkflowChecker(Limits(violations=10), no_expressions)
    checked = await checker.check(Reading(Draft(GOOD, misread)).received)
    assert len(checked.violations) == 10
    assert checked.violations[-1].reason == "TOO_MANY_VIOLATIONS"
