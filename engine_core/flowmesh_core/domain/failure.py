"""Why something did not succeed."""

from __future__ import annotations

from dataclasses import dataclass

from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.states import FailureSource


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of an attempt, a node or an execution.

    Attributes:
        error_type: The stable name of the kind of error, matched by retry policies.
        message: What a person should read.
        source: Who found it.
        details: Whatever else the worker wants kept.
        node_id: On a failure of an execution, the node that caused it.
    """

    error_type: str
    message: str
    source: FailureSource = FailureSource.HANDLER
    details: Payload | None = None
    node_id: str = ""

    @property
    def size(self) -> int:
        """About how many bytes it holds: the message and the details, which users fill."""
        return len(self.message) + (0 if self.details is None else self.details.size)
