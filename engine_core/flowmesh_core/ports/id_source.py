"""Identity, made explicit."""

from __future__ import annotations

from typing import Protocol


class IdSource(Protocol):
    """Makes ids that are unique over all processes and sort by time (UUIDv7, RFC 9562)."""

    def new_id(self) -> str:
        """Return a fresh id in its 36-character form."""
