"""What happened in a run: its last steps for people, all of it as one number."""

from __future__ import annotations

from collections import deque
from zlib import crc32

_ROUTINE = frozenset(
    (
        *("receive", "renew", "live_members", "owned", "gateways", "queue_names", "take", "pending_keys"),
        *(
            "publish",
            "arrivals",
            "abandoned",
            "definitions",
            "get_many",
            "read_many",
            "depth",
            "newest",
            "hold_up_to",
        ),
    )
)
"""What goes on all the time; it counts for the digest, and is not shown."""


class Trace:
    """Steps at ports, faults and findings, in order.

    Attributes:
        digest: The same for two runs that did the same.
    """

    def __init__(self, lines: int) -> None:
        """Keep the last `lines` steps for people."""
        self.digest = 0
        self._lines: deque[tuple[float, str, str]] = deque(maxlen=lines)

    def add(self, at: float, process: str, what: str) -> None:
        """Note a step."""
        self.digest = crc32(f"{at:.6f}{process}{what}".encode(), self.digest)
        if what not in _ROUTINE:
            self._lines.append((at, process, what))

    def __str__(self) -> str:
        return "\n".join(f"{at:10.5f} {process:10} {what}" for at, process, what in self._lines)
