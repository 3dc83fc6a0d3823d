"""Ids that are the same in every run."""

from __future__ import annotations

from itertools import count
from uuid import UUID


class SequentialIds:
    """The `IdSource` port: UUIDv7-shaped ids that count from 1 and sort in that order."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new_id(self) -> str:
        """See `IdSource.new_id`."""
        number = next(self._numbers)
        return str(UUID(int=number << 80 | 0x7 << 76 | 0b10 << 62))
