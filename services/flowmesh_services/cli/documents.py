"""The JSON that commands print: the words of the contract, times as RFC 3339."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from flowmesh import Payload, Workflow

_NONE_WHEN_ZERO = frozenset({"attempt", "workflow_version"})
"""Numbers that count from 1."""


def document(value: object) -> object:
    """Return an answer of the SDK as plain JSON data; what is unset is left out."""
    if isinstance(value, Payload):
        return _payload(value)
    if isinstance(value, Workflow):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: document(item) for name, item in fields if _is_set(name, item)}
    return _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(document(key)): document(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [document(item) for item in value]
    return value


def _is_set(name: str, value: object) -> bool:
    if value == 0 and name in _NONE_WHEN_ZERO:
        return False
    return value is not None and value != "" and value != () and value != {}


def _payload(payload: Payload) -> object:
    if payload.is_json:
        return payload.json()
    return {"content_type": payload.content_type, "data": base64.b64encode(payload.data).decode("ascii")}


def render(value: object, *, indent: int | None = 2) -> str:
    """Return an answer of the SDK as JSON text."""
    return json.dumps(document(value), ensure_ascii=False, indent=indent)
