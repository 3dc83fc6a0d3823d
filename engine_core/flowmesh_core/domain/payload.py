"""User data that the engine carries."""

from __future__ import annotations

from itertools import chain

from flowmesh_core.domain.record import record

JSON = "application/json"


@record(frozen=True, slots=True)
class Payload:
    """Exact bytes and what they are.

    Attributes:
        data: The bytes, never rewritten.
        content_type: Their media type.
        metadata: Free-form remarks, as sorted pairs so that payloads compare.
    """

    data: bytes
    content_type: str = JSON
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """The bytes that count against limits: everything, but for the usual content type."""
        if self.is_json and not self.metadata:
            return len(self.data)
        remarks = () if self.is_json else (self.content_type,)
        return len(self.data) + sum(len(text.encode()) for text in chain(remarks, *self.metadata))

    @property
    def is_json(self) -> bool:
        """Whether templates and conditions may look inside."""
        return self.content_type == JSON


NULL = Payload(b"null")
