"""In which format a process writes what others read.

Commands, tasks and history have one format number together. While a cluster is
upgraded, processes of two versions read each other's, so the newer ones write
the older format until the last old process is gone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FormatRange:
    """The formats that a process reads, and may be asked to write."""

    oldest: int
    newest: int


FORMATS = FormatRange(oldest=1, newest=1)
"""Those of this code."""


class AgreedFormat:
    """The newest format that every live member reads; the oldest of this code until that is known.

    Attributes:
        number: The format to write now.
    """

    def __init__(self, formats: FormatRange = FORMATS) -> None:
        """Begin with the oldest."""
        self._formats = formats
        self.number = formats.oldest

    def agree(self, newest_of_all: int) -> None:
        """Take in what the members can read by now."""
        self.number = max(self._formats.oldest, min(self._formats.newest, newest_of_all))
