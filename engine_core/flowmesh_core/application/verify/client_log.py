"""What clients wrote down while they worked: one JSON object a line.

Every line has `fact`, `namespace` and `execution_id`, and beside them:

```
submitted   request_id                    a submission was acknowledged
cancelled   state                         a cancel was acknowledged with this state
ran         node_id attempt               a handler began
reported    node_id attempt outcome answer   completed, failed or cancelled; ACCEPTED, SUPERSEDED or REJECTED
watched     watcher item sequence         one watch saw a snapshot, an event or the end
```

A fact is written after the answer arrived, never before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from flowmesh_core.domain.identity import ExecutionKey


@dataclass(frozen=True, slots=True)
class Fact:
    """The base of all facts: about which execution."""

    key: ExecutionKey


@dataclass(frozen=True, slots=True)
class Submitted(Fact):
    """A submission was acknowledged."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Cancelled(Fact):
    """A cancel was acknowledged with this state."""

    state: str


@dataclass(frozen=True, slots=True)
class Ran(Fact):
    """A handler began to run an attempt."""

    node_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Reported(Fact):
    """A report on an attempt was answered."""

    node_id: str
    attempt: int
    outcome: str
    answer: str


@dataclass(frozen=True, slots=True)
class Watched(Fact):
    """A watch saw something: `item` is snapshot, event or end."""

    watcher: str
    item: str
    sequence: int


def parse_fact(line: str) -> Fact | None:
    """Return the fact in a line, or None when it is not one, as a client that died leaves behind."""
    try:
        said = json.loads(line)
        key = ExecutionKey(_text(said, "namespace"), _text(said, "execution_id"))
        return next(_facts(key, said), None)
    except (KeyError, TypeError, ValueError):
        return None


def _facts(key: ExecutionKey, said: dict[str, object]) -> Iterator[Fact]:
    match said["fact"]:
        case "submitted":
            yield Submitted(key, _text(said, "request_id"))
        case "cancelled":
            yield Cancelled(key, _text(said, "state"))
        case "ran":
            yield Ran(key, _text(said, "node_id"), _number(said, "attempt"))
        case "reported":
            yield Reported(
                key,
                _text(said, "node_id"),
                _number(said, "attempt"),
                _text(said, "outcome"),
                _text(said, "answer"),
            )
        case "watched":
            yield Watched(key, _text(said, "watcher"), _text(said, "item"), _number(said, "sequence"))


def _text(said: dict[str, object], name: str) -> str:
    value = said[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _number(said: dict[str, object], name: str) -> int:
    value = said[name]
    if not isinstance(value, int):
        raise TypeError(name)
    return value
