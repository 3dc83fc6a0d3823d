"""What one command made of one execution."""

from __future__ import annotations

from enum import IntEnum

from flowmesh_core.domain.events import Event
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.record import record


class Verdict(IntEnum):
    """The answer to who sent a command."""

    ACCEPTED = 1
    """It changed something, or an earlier copy of the same command did."""
    SUPERSEDED = 2
    """It is about an attempt that is not the current one, or a node that ended otherwise."""
    CLOSED = 3
    """The execution had ended."""
    UNKNOWN = 4
    """There is no such execution or node."""


@record(frozen=True, slots=True)
class Dispatch:
    """An attempt to hand to workers, with its resolved input."""

    node: int
    attempt: int
    input: Payload


@record(frozen=True, slots=True)
class Withdrawal:
    """An attempt to take back: from the queue, or from the gateway that runs it."""

    node: int
    attempt: int
    gateway_id: str
    """Empty when no gateway has reported that it runs."""


@record(frozen=True, slots=True)
class Transition:
    """What to append, and what to do after the append.

    Attributes:
        verdict: The answer to the sender.
        events: New history, dense from the last; empty when nothing changed.
        dispatches: Attempts that became ready, one per `NodeScheduled` of `events`.
        withdrawals: Attempts that nobody should run any more.
    """

    verdict: Verdict
    events: tuple[Event, ...] = ()
    dispatches: tuple[Dispatch, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
