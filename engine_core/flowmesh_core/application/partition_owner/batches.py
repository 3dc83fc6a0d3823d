"""Commands in portions that one append can take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowmesh_core.domain.commands import Command, CompleteTask, FailTask
from flowmesh_core.ports.command_log import DeliveredCommand


def batches_of(
    commands: Sequence[DeliveredCommand], maximum: int, maximum_bytes: int
) -> Iterator[Sequence[DeliveredCommand]]:
    """Yield the commands in order, in batches of at most `maximum`.

    A batch carries at most `maximum_bytes` of user data, unless one command alone does.
    """
    batch: list[DeliveredCommand] = []
    size = 0
    for delivered in commands:
        weight = _weight(delivered.envelope.command)
        if batch and (len(batch) >= maximum or size + weight > maximum_bytes):
            yield batch
            batch, size = [], 0
        batch.append(delivered)
        size += weight
    if batch:
        yield batch


def _weight(command: Command) -> int:
    if isinstance(command, CompleteTask):
        return command.output.size
    if isinstance(command, FailTask):
        return command.failure.size
    return 0
