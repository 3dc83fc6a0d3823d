"""What watchers saw."""

from __future__ import annotations

from flowmesh_core.application.verify.client_log import Watched
from flowmesh_core.application.verify.report import Tally
from flowmesh_core.application.verify.trace import Trace
from flowmesh_core.domain.identity import ExecutionKey


class Watches:
    """Follows every watch from its snapshot to its end."""

    def __init__(self, tally: Tally) -> None:
        """Write what is found into `tally`."""
        self._tally = tally
        self._places: dict[tuple[str, ExecutionKey], int] = {}

    def take(self, fact: Watched, trace: Trace) -> None:
        """Take what a watch saw next."""
        watch = (fact.watcher, fact.key)
        place = self._places.get(watch)
        if fact.sequence > trace.last_sequence:
            self._wrong(fact, f"the history ends at {trace.last_sequence}")
        match fact.item:
            case "snapshot":
                self._require(fact, place is None or fact.sequence >= place, f"it was at {place}")
                self._places[watch] = fact.sequence
            case "event":
                self._require(fact, place is not None and fact.sequence == place + 1, f"it was at {place}")
                self._places[watch] = fact.sequence
            case "end":
                is_last = place == fact.sequence == trace.last_sequence
                self._require(fact, is_last, f"it was at {place}, the history ends at {trace.last_sequence}")
                self._places.pop(watch, None)
            case other:
                self._wrong(fact, f"{other} is nothing that a watch sees")

    def _require(self, fact: Watched, holds: bool, problem: str) -> None:
        self._tally.checked += 1
        if not holds:
            self._wrong(fact, problem)

    def _wrong(self, fact: Watched, problem: str) -> None:
        subject = f"{fact.key} watched by {fact.watcher}"
        self._tally.violated(subject, f"{fact.item} at {fact.sequence}, but {problem}")
