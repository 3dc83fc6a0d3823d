"""How a waiting poll is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flowmesh_core.application.worker_gateway.session import Assignment, ReportAnswer
from flowmesh_core.domain.errors import FlowmeshError


class PollChannel:
    """A `Channel` that takes one delivery.

    Attributes:
        arrived: Set when the poll should return.
    """

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self._assignments: list[Assignment] = []

    @property
    def is_congested(self) -> bool:
        """A poll that has tasks is about to return: nothing is added."""
        return self.arrived.is_set()

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Let the poll return with these."""
        self._assignments.extend(assignments)
        self.arrived.set()

    def take(self) -> Sequence[Assignment]:
        """Return what was assigned, which counts as delivered from now on."""
        taken, self._assignments = self._assignments, []
        return taken

    def answer(self, answers: Sequence[ReportAnswer]) -> None:
        """Nothing is reported on a poll."""

    def cancel(self, tokens: Sequence[bytes]) -> None:
        """A polling worker learns of it from its next heartbeat."""

    def go_away(self, reconnect_within: float) -> None:  # noqa: ARG002
        """Let the poll return."""
        self.arrived.set()

    def close(self, error: FlowmeshError | None) -> None:  # noqa: ARG002
        """Let the poll return."""
        self.arrived.set()

    def unsent(self) -> Sequence[bytes]:
        """Return the tokens that were not taken."""
        return [assignment.token for assignment in self._assignments]
