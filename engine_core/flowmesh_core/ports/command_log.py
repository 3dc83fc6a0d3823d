"""Commands on their way to the owner of a partition."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from flowmesh_core.domain.commands import Command
from flowmesh_core.domain.record import record


@record(frozen=True, slots=True)
class QueueEntry:
    """Where a task lies in the task queue: what to remove when its attempt has ended."""

    namespace: str
    handler: str
    entry_id: str


@record(frozen=True, slots=True)
class CommandEnvelope:
    """A command and who wants to hear of it.

    Attributes:
        partition: The partition of its execution.
        command: What to do.
        reply_to: The mailbox that gets the `Reply`; empty for none.
        correlation_id: What the sender recognises the reply by.
        queue_entry: The task's place in the queue, removed with the decision
            unless the command is a `StartTask`.
        traceparent: W3C trace context of the sender; may be empty.
    """

    partition: int
    command: Command
    reply_to: str = ""
    correlation_id: str = ""
    queue_entry: QueueEntry | None = None
    traceparent: str = ""


@record(frozen=True, slots=True)
class DeliveredCommand:
    """A command as its owner receives it; `entry_id` is what to acknowledge."""

    entry_id: str
    envelope: CommandEnvelope


class TransportLost(Exception):
    """Redis lost data: a stream or its group is gone, or it is older than it was.

    What had been sent may never arrive. The owner forgets its partitions,
    folds them again, opens their logs and dispatches again. Another process
    that opened a log looks the same to the one that read it before.

    Attributes:
        partitions: Whose logs are concerned.
    """

    def __init__(self, message: str, partitions: Iterable[int]) -> None:
        """Say what was noticed."""
        self.partitions = frozenset(partitions)
        super().__init__(f"{message}: partitions {sorted(self.partitions)}")


class CommandLog(Protocol):
    """One ordered log per partition; delivers at least once. May raise `StoreUnavailable`."""

    async def send(self, envelopes: Sequence[CommandEnvelope]) -> None:
        """Add commands to the logs of their partitions in one round trip.

        Whatever was sent may still be lost: senders that need an answer repeat.
        """

    async def open(self, partitions: Collection[int]) -> None:
        """Take the logs over for this reader, creating what is not there.

        Whoever read them before gets `TransportLost` and no more commands.
        """

    def close(self, partitions: Collection[int]) -> None:
        """Leave logs to others; this reader can read them again once it has opened them again."""

    def interrupt(self) -> None:
        """Let every `receive` that waits now return with what there is."""

    async def claim(self, partition: int) -> Sequence[DeliveredCommand]:
        """Return every command that an earlier owner received and did not acknowledge, in order."""

    async def receive(
        self, partitions: Sequence[int], *, limit: int, wait: float
    ) -> Sequence[DeliveredCommand]:
        """Return new commands, in order within each partition, at most `limit` per partition.

        Waits up to `wait` seconds for the first one, or less; 0 does not wait. A message
        that cannot be decoded, or has a version from the future, is moved to
        the parked log of its partition, reported, and not returned.

        Raises:
            TransportLost: A log of these partitions is gone.
        """

    async def depth(self, partitions: Collection[int]) -> int:
        """Return how many commands wait or are unacknowledged in the deepest of these logs."""
