from __future__ import annotations

from flowmesh_core.application.partition_owner.batches import batches_of
from flowmesh_core.domain.commands import Command, CompleteTask, FailTask, StartExecution
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import Payload
from flowmesh_core.ports.command_log import CommandEnvelope, DeliveredCommand

KEY = ExecutionKey("default", "e1")


def _delivered(command: Command) -> DeliveredCommand:
    return DeliveredCommand("1-0", CommandEnvelope(0, command))


def _output(size: int) -> DeliveredCommand:
    return _delivered(CompleteTask(KEY, "a", 1, Payload(bytes(size)), "worker", None))


def _sizes(commands: list[DeliveredCommand], maximum: int, maximum_bytes: int) -> list[int]:
    batches = list(batches_of(commands, maximum, maximum_bytes))
    assert [each for batch in batches for each in batch] == commands
    return [len(batch) for batch in batches]


def test_nothing_makes_no_batch() -> None:
    assert _sizes([], 10, 10) == []


def test_a_batch_has_a_greatest_length() -> None:
    assert _sizes([_delivered(StartExecution(KEY))] * 7, 3, 10) == [3, 3, 1]


def test_a_batch_has_a_greatest_weight() -> None:
    assert _sizes([_output(4), _output(6), _output(1)], 10, 10) == [2, 1]


def test_what_is_too_heavy_goes_alone() -> None:
    assert _sizes([_output(1), _output(99), _output(1)], 10, 10) == [1, 1, 1]


def test_details_of_a_failure_have_a_weight() -> None:
    failure = Failure("Boom", "it broke", details=Payload(bytes(9)))
    failed = _delivered(FailTask(KEY, "a", 1, failure, "worker", None))
    assert _sizes([failed, failed], 10, 10) == [1, 1]
