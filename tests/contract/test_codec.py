"""Stored and sent forms: they round-trip, never change by accident, and never guess."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmesh.v1 import event_pb2
from flowmesh_core.adapters.codec import (
    decode_command,
    decode_events,
    decode_failure,
    decode_payload,
    decode_task,
    decode_workflow,
    encode_command,
    encode_events,
    encode_failure,
    encode_payload,
    encode_task,
    encode_workflow,
)
from flowmesh_core.adapters.codec.commands import _SHAPES as COMMAND_SHAPES
from flowmesh_core.adapters.codec.events import _SHAPES as EVENT_SHAPES
from flowmesh_core.adapters.codec.shapes import Packed, Schema, Shape, pack_bytes
from flowmesh_core.domain import commands, events
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import JSON, Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_core.domain.states import FailureSource, LostCause, SkipReason
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_core.ports.command_log import CommandEnvelope, QueueEntry
from flowmesh_core.ports.outbox import QueuedTask
from flowmesh_core.ports.undecodable import Undecodable, UnknownSchemaVersion

if TYPE_CHECKING:
    from types import ModuleType

    from hypothesis.strategies import SearchStrategy

TEXT = st.text(max_size=20)
MICROS = st.integers(-(2**62), 2**62).map(Micros)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
PAYLOADS = st.builds(Payload, st.binary(max_size=50), st.just(JSON) | TEXT, PAIRS)
FAILURES = st.builds(Failure, TEXT, TEXT, st.sampled_from(FailureSource), st.none() | PAYLOADS, node_id=TEXT)
KEYS = st.builds(ExecutionKey, TEXT, TEXT)

BY_TYPE = {
    str: TEXT,
    int: st.integers(0, 2**31),
    bool: st.booleans(),
    Payload: PAYLOADS,
    Failure: FAILURES,
    ExecutionKey: KEYS,
    LostCause: st.sampled_from(LostCause),
    SkipReason: st.sampled_from(SkipReason),
    Micros: MICROS,
    Micros | None: st.none() | MICROS,
}


def _any_of(kind: type) -> SearchStrategy[Any]:
    return st.builds(kind, **{name: BY_TYPE[hint] for name, hint in get_type_hints(kind).items()})


@st.composite
def _rows(draw: st.DrawFn) -> tuple[events.Event, ...]:
    kinds = draw(st.lists(st.sampled_from(sorted(EVENT_SHAPES, key=str)), min_size=1, max_size=5))
    first = draw(st.integers(1, 10**9))
    return tuple(
        replace(draw(_any_of(kind)), sequence=first + offset, at=draw(st.integers(0, 2**62)))
        for offset, kind in enumerate(kinds)
    )


def _leaves(module: ModuleType, base: type) -> set[type]:
    kinds = {each for each in vars(module).values() if isinstance(each, type) and issubclass(each, base)}
    return {kind for kind in kinds if not any(kind in other.__mro__[1:] for other in kinds)}


def test_every_event_and_command_has_a_stored_form() -> None:
    assert set(EVENT_SHAPES) == _leaves(events, events.Event)
    assert set(COMMAND_SHAPES) == _leaves(commands, commands.Command)


def test_event_numbers_are_those_of_the_protocol() -> None:
    for kind, (number, _) in EVENT_SHAPES.items():
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).upper()
        assert event_pb2.EventType.Name(number) == f"EVENT_TYPE_{words}"


@given(_rows())
def test_events_round_trip(row: tuple[events.Event, ...]) -> None:
    assert tuple(decode_events(1, row[0].sequence, encode_events(row))) == row


@given(st.data())
def test_commands_round_trip(data: st.DataObject) -> None:
    command = data.draw(_any_of(data.draw(st.sampled_from(sorted(COMMAND_SHAPES, key=str)))))
    entry = st.none() | st.builds(QueueEntry, TEXT, TEXT, TEXT)
    envelope = data.draw(
        st.builds(CommandEnvelope, st.integers(0, 2**31), st.just(command), TEXT, TEXT, entry, TEXT)
    )
    assert decode_command(encode_command(envelope)) == envelope


@given(_any_of(QueuedTask))
def test_tasks_round_trip(task: QueuedTask) -> None:
    assert decode_task(encode_task(task)) == task


@given(PAYLOADS, FAILURES)
def test_payloads_and_failures_round_trip(payload: Payload, failure: Failure) -> None:
    assert decode_payload(encode_payload(payload)) == payload
    assert decode_failure(encode_failure(failure)) == failure


NODES = st.builds(
    Node,
    TEXT,
    TEXT,
    st.lists(TEXT, max_size=3).map(tuple),
    st.none() | PAYLOADS,
    TEXT,
    st.builds(
        RetryPolicy,
        MICROS,
        st.floats(1, 10),
        MICROS,
        st.integers(1, 100),
        st.lists(TEXT, max_size=2).map(tuple),
        st.sampled_from(Jitter),
        st.integers(1, 100),
    ),
    st.builds(Timeouts, MICROS, st.none() | MICROS),
)


@given(st.builds(Workflow, TEXT, st.lists(NODES, max_size=4).map(tuple)))
def test_workflows_round_trip(workflow: Workflow) -> None:
    assert decode_workflow(encode_workflow(workflow)) == workflow


KEY = ExecutionKey("default", "e-1")
NOW = Micros(1_700_000_000_000_000)
FAILURE = Failure("IOError", "no disk", FailureSource.HANDLER, Payload(b"{}"), "load")

GOLDEN_ROW: tuple[events.Event, ...] = (
    events.ExecutionStarted(1, NOW),
    events.ExecutionCancelRequested(2, NOW, "stop", Micros(NOW + 5)),
    events.ExecutionCompleted(3, NOW),
    events.ExecutionFailed(4, NOW, FAILURE),
    events.ExecutionCancelled(5, NOW, "stop"),
    events.NodeScheduled(6, NOW, 0, 1),
    events.NodeStarted(7, NOW, 0, 1, "w", "g", NOW),
    events.NodeCompleted(8, NOW, 0, 1, Payload(b"7", "text/plain", (("k", "v"),)), "w", None),
    events.NodeAttemptFailed(9, NOW, 0, 1, FAILURE, "w", NOW, Micros(NOW + 9)),
    events.NodeAttemptLost(10, NOW, 0, 1, LostCause.YIELDED),
    events.NodeFailed(11, NOW, 0, 1, FAILURE, "w", None),
    events.NodeSkipped(12, NOW, 0, SkipReason.CONDITION_FALSE),
    events.NodeUpstreamFailed(13, NOW, 0),
    events.NodeCancelled(14, Micros(NOW + 1), 0, 1),
)
GOLDEN_COMMANDS: tuple[commands.Command, ...] = (
    commands.StartExecution(KEY),
    commands.CancelExecution(KEY, "stop", Micros(5)),
    commands.ExpireCancelGrace(KEY),
    commands.StartTask(KEY, "n", 1, "w", "g", NOW),
    commands.CompleteTask(KEY, "n", 1, Payload(b"7"), "w", NOW),
    commands.FailTask(KEY, "n", 1, FAILURE, "w", None, non_retryable=True, next_retry_delay=Micros(9)),
    commands.LoseTask(KEY, "n", 1, LostCause.WORKER_LOST),
    commands.AcknowledgeTaskCancel(KEY, "n", 1),
    commands.RetryTask(KEY, "n", 1),
    commands.RedispatchTasks(KEY, 7),
)
GOLDEN_TASK = QueuedTask(KEY, "n", 1, "h", Payload(b"{}"), Micros(5), None, "wf", NOW, "00-1-2-03")
GOLDEN_WORKFLOW = Workflow("wf", (Node("a", "h"), Node("b", "h", ("a",), Payload(b"{}"), "a.x > 1")))


def _golden() -> dict[str, bytes]:
    return {
        "events": encode_events(GOLDEN_ROW),
        "commands": b"".join(
            encode_command(CommandEnvelope(3, each, "gw", "c", QueueEntry("default", "h", "1-0"), "00"))
            for each in GOLDEN_COMMANDS
        ),
        "task": encode_task(GOLDEN_TASK),
        "workflow": encode_workflow(GOLDEN_WORKFLOW),
        "payload": encode_payload(Payload(b"7")),
        "failure": encode_failure(FAILURE),
    }


@pytest.mark.parametrize("name", sorted(_golden()))
def test_formats_do_not_change_by_accident(name: str) -> None:
    """A difference here means that rolling upgrades break: raise the version and add an upcast instead."""
    stored = Path(__file__).with_name("golden") / f"{name}.hex"
    assert _golden()[name].hex() == stored.read_text().replace("\n", "")


def test_newer_versions_and_types_are_refused() -> None:
    row = encode_events(GOLDEN_ROW)
    with pytest.raises(UnknownSchemaVersion):
        decode_events(2, 1, row)
    with pytest.raises(UnknownSchemaVersion):
        decode_events(1, 1, pack_bytes([0, [99, 0]]))
    with pytest.raises(UnknownSchemaVersion):
        decode_task(pack_bytes([2, 1, "ns", "e"]))
    with pytest.raises(UnknownSchemaVersion):
        decode_command(pack_bytes([1, 99, 0, ["", "", None, ""], "ns", "e", []]))
    with pytest.raises(UnknownSchemaVersion):
        decode_workflow(pack_bytes([1, 2, "wf", []]))


def test_newer_code_writes_for_readers_of_the_version_before() -> None:
    """Version 2 turns the fields around, say; whoever reads both gets the same from either."""

    def turned(number: int, fields: Packed) -> tuple[int, Packed]:
        return number, fields[::-1]

    newer = Schema(2, dict(COMMAND_SHAPES.values()), upcasts={1: turned}, downcasts={2: turned})
    newer_rows = Schema(2, dict(EVENT_SHAPES.values()), upcasts={1: turned}, downcasts={2: turned})
    envelope = CommandEnvelope(3, commands.RetryTask(ExecutionKey("ns", "e"), "node", 2))
    for version in (1, 2):
        assert decode_command(encode_command(envelope, version, newer), newer) == envelope
        row = encode_events(GOLDEN_ROW, version, newer_rows)
        assert tuple(decode_events(version, GOLDEN_ROW[0].sequence, row, newer_rows)) == GOLDEN_ROW
    with pytest.raises(UnknownSchemaVersion):
        decode_command(encode_command(envelope, 2, newer))


@given(st.binary(max_size=40))
def test_noise_is_undecodable(noise: bytes) -> None:
    for decode in (decode_command, decode_task, decode_payload, decode_failure, decode_workflow):
        with pytest.raises(Undecodable):
            decode(noise)


@pytest.mark.parametrize(
    "body",
    [
        [],
        ["now"],
        [0, 7],
        [0, ["6", 0]],
        [0, [6, 0, 1]],
        [0, [10, 0, 1, 1, 77]],
        [0, [12, 0, 1, "no"]],
        [0, [8, 0, 1, 1, 5, "w", None]],
    ],
)
def test_malformed_rows_are_undecodable(body: Packed) -> None:
    with pytest.raises(Undecodable):
        decode_events(1, 1, pack_bytes(body))


def test_fields_added_at_the_end_are_passed_over() -> None:
    assert decode_events(1, 5, pack_bytes([10, [6, 2, 0, 1, "from the future"]])) == [
        events.NodeScheduled(5, Micros(12), 0, 1)
    ]


def test_old_versions_are_read_through_every_step_between() -> None:
    def add_attempt(number: int, fields: Packed) -> tuple[int, Packed]:
        return number, [*fields, 1]

    def renumber(number: int, fields: Packed) -> tuple[int, Packed]:
        return number + 100, fields

    shape: Shape[events.Event] = Shape(events.NodeScheduled, "node", "attempt")
    schema = Schema(3, {106: shape}, {1: add_attempt, 2: renumber})
    assert decode_events(1, 1, pack_bytes([0, [6, 0, 4]]), schema) == [
        events.NodeScheduled(1, Micros(0), 4, 1)
    ]
