"""Failures that a loop goes on after."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.telemetry import Telemetry


@dataclass(slots=True)
class Attempt:
    """What became of something that may fail.

    Attributes:
        failure: What was raised; None as long as nothing was.
    """

    failure: Exception | None = None

    @property
    def met_outage(self) -> bool:
        """Whether a store did not answer."""
        return isinstance(self.failure, StoreUnavailable)


@contextmanager
def outlived(
    log: logging.Logger, telemetry: Telemetry, doing: str, *expected: type[Exception]
) -> Iterator[Attempt]:
    """Let a loop go on, whatever fails in the block; it has to rest before it tries again.

    A store that does not answer is worth a line. What nobody expected, such as an
    answer of Redis that no adapter knows, is a defect: it is logged with its
    traceback and counted. Neither takes the process away from all else that it
    serves. A cancellation passes.

    Args:
        log: Where it is told.
        telemetry: Where it is counted.
        doing: What cannot be done then, such as `take tasks`.
        expected: What else is worth no more than a line.
    """
    attempt = Attempt()
    foreseen: tuple[type[Exception], ...] = (StoreUnavailable, *expected)
    try:
        yield attempt
    except foreseen as error:
        attempt.failure = error
        log.warning("cannot %s: %s", doing, error)
    except Exception as error:
        attempt.failure = error
        log.exception("cannot %s", doing)
        telemetry.count("flowmesh.failures.unexpected", attributes={"error.type": type(error).__name__})
