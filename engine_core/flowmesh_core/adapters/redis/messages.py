"""The sent form of small messages between server processes; see `codec` for the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowmesh_core.adapters.codec.shapes import Conversion, Packed, Schema, Shape, pack_bytes, unpack_bytes
from flowmesh_core.adapters.codec.values import enumeration, optional, text_pairs
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.mailbox import HeartbeatAnswer, HeartbeatForward, MailboxMessage, TasksMoved
from flowmesh_core.ports.outbox import CancelNotice, Reply
from flowmesh_core.ports.undecodable import Undecodable, UnknownSchemaVersion
from flowmesh_core.ports.worker_registry import ConnectedWorker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_VERSION = 1
_KEY = Conversion(list, lambda packed: ExecutionKey(*packed))
_TUPLE = Conversion(list, tuple)

_SHAPES: dict[type[MailboxMessage], tuple[int, Shape[Any]]] = {
    Reply: (
        1,
        Shape(
            Reply,
            *("correlation_id", "verdict", "status"),
            verdict=enumeration(Verdict),
            status=optional(enumeration(ExecutionStatus)),
        ),
    ),
    CancelNotice: (2, Shape(CancelNotice, "key", "node_id", "attempt", key=_KEY)),
    HeartbeatForward: (3, Shape(HeartbeatForward, "task_token", "reply_to", "correlation_id")),
    HeartbeatAnswer: (4, Shape(HeartbeatAnswer, "correlation_id", "held", "cancelled")),
    TasksMoved: (5, Shape(TasksMoved, "task_tokens", task_tokens=_TUPLE)),
}
_MESSAGES: Schema[MailboxMessage] = Schema(_VERSION, dict(_SHAPES.values()))

_WORKER = Shape(
    ConnectedWorker,
    *("namespace", "worker_id", "handlers", "all_handlers", "slots", "held_tasks"),
    *("connected_at", "last_seen_at", "labels"),
    handlers=_TUPLE,
    labels=Conversion(list, text_pairs),
)
_WORKERS: Schema[ConnectedWorker] = Schema(_VERSION, {1: _WORKER})


def encode_messages(messages: Iterable[MailboxMessage]) -> bytes:
    """Return `[version, [type, field, …], …]`."""
    packed = [[_SHAPES[type(each)][0], *_SHAPES[type(each)][1].pack(each)] for each in messages]
    return pack_bytes([_VERSION, *packed])


def decode_messages(data: bytes) -> list[MailboxMessage]:
    """Return the messages of a batch, raising as `decode_command` does."""
    version, packed = _versioned(data)
    return [_MESSAGES.read([version, *_array(each)]) for each in packed]


def encode_workers(workers: Iterable[ConnectedWorker]) -> bytes:
    """Return `[version, [1, field, …], …]`."""
    return pack_bytes([_VERSION, *([1, *_WORKER.pack(each)] for each in workers)])


def decode_workers(data: bytes) -> list[ConnectedWorker]:
    """Return the workers of a gateway, raising as `decode_command` does."""
    version, packed = _versioned(data)
    return [_WORKERS.read([version, *_array(each)]) for each in packed]


def encode_hints(changed: Mapping[ExecutionKey, int]) -> bytes:
    """Return `[version, [namespace, execution id, sequence], …]`."""
    return pack_bytes([_VERSION, *((*key, sequence) for key, sequence in changed.items())])


def decode_hints(data: bytes) -> dict[ExecutionKey, int]:
    """Return executions and their last sequences, raising as `decode_command` does."""
    hints = {}
    for each in _current(data):
        match each:
            case [str() as namespace, str() as execution_id, int() as sequence, *_]:
                hints[ExecutionKey(namespace, execution_id)] = sequence
            case _:
                raise Undecodable("not a watch hint")
    return hints


def encode_keys(executions: Iterable[ExecutionKey]) -> bytes:
    """Return `[version, [namespace, execution id], …]`."""
    return pack_bytes([_VERSION, *executions])


def decode_keys(data: bytes) -> list[ExecutionKey]:
    """Return executions, raising as `decode_command` does."""
    found = []
    for each in _current(data):
        match each:
            case [str() as namespace, str() as execution_id, *_]:
                found.append(ExecutionKey(namespace, execution_id))
            case _:
                raise Undecodable("not an execution")
    return found


def encode_names(names: Sequence[str]) -> bytes:
    """Return `[version, name, …]`."""
    return pack_bytes([_VERSION, *names])


def decode_names(data: bytes) -> list[str]:
    """Return the names, raising as `decode_command` does."""
    return [str(each) for each in _current(data)]


def _versioned(data: bytes) -> tuple[int, Packed]:
    match unpack_bytes(data):
        case [int() as version, *packed]:
            return version, packed
        case _:
            raise Undecodable("the version is missing")


def _current(data: bytes) -> Packed:
    version, packed = _versioned(data)
    if version != _VERSION:
        raise UnknownSchemaVersion(f"version {version}; this code writes {_VERSION}")
    return packed


def _array(packed: object) -> Packed:
    if not isinstance(packed, list):
        raise Undecodable("an array was expected")
    return packed
