"""The stored and sent form of what the core handles: compact arrays in msgpack, with versions.

Shared by the adapters, so that one set of rules says how formats may change:
see `Shape` and `Schema`.
"""

from __future__ import annotations

from flowmesh_core.adapters.codec.commands import decode_command, encode_command
from flowmesh_core.adapters.codec.events import EVENTS, decode_events, encode_events
from flowmesh_core.adapters.codec.tasks import decode_task, encode_task
from flowmesh_core.adapters.codec.values import (
    decode_failure,
    decode_payload,
    encode_failure,
    encode_payload,
)
from flowmesh_core.adapters.codec.workflows import decode_workflow, encode_workflow

__all__ = [
    "EVENTS",
    "decode_command",
    "decode_events",
    "decode_failure",
    "decode_payload",
    "decode_task",
    "decode_workflow",
    "encode_command",
    "encode_events",
    "encode_failure",
    "encode_payload",
    "encode_task",
    "encode_workflow",
]
