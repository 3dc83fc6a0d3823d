"""Reads the JSON form of a workflow, strictly and with every problem at once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flowmesh._errors import FieldViolation, WorkflowFileError
from flowmesh._workflow import text
from flowmesh._workflow.model import Node
from flowmesh._workflow.policy import Jitter, RetryPolicy, Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

parse = text.parse

_SPAN: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?s\Z")
_CAPITAL: Final = re.compile(r"[A-Z]")
_RETRY: Final = (
    "initial_interval",
    "backoff_coefficient",
    "maximum_interval",
    "maximum_attempts",
    "non_retryable_error_types",
    "jitter",
    "maximum_lost",
)
_NODE: Final = ("id", "handler", "dependencies", "config", "condition", "retry_policy", "timeouts")


def read(value: Mapping[str, Any]) -> tuple[str, tuple[Node, ...]]:
    """The name and the nodes of a workflow.

    Raises:
        WorkflowFileError: Every problem, each with the path of its field.
    """
    violations = text.problems(value, "")
    if not violations:
        reader = _Reader(violations)
        name, nodes = reader.workflow(value)
    if violations:
        raise WorkflowFileError(violations)
    return name, nodes


class _Object:
    """One JSON object under reading: its known fields, in snake case, or none when it is no object."""

    def __init__(self, path: str, *, sound: bool) -> None:
        self.path = path
        self.sound = sound
        self.fields: dict[str, Any] = {}

    def where(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class _Reader:
    """Turns JSON values into the model and collects what is wrong with them."""

    def __init__(self, violations: list[FieldViolation]) -> None:
        self._violations = violations

    def workflow(self, value: object) -> tuple[str, tuple[Node, ...]]:
        top = self._object(value, "", ("name", "dag"))
        name = self._required(top, "name", str, "a string", "")
        dag = self._object(top.fields.get("dag"), "dag", ("nodes",))
        nodes = self._required(dag, "nodes", list, "a list", [])
        return name, tuple(self._node(item, f"dag.nodes[{index}]") for index, item in enumerate(nodes))

    def _node(self, value: object, path: str) -> Node:
        source = self._object(value, path, _NODE)
        return Node(
            id=self._required(source, "id", str, "a string", ""),
            handler=self._required(source, "handler", str, "a string", ""),
            dependencies=self._strings(source, "dependencies"),
            config=self._optional(source, "config", dict, "an object", {}),
            condition=self._optional(source, "condition", str, "a string", ""),
            retry=self._retry(source.fields.get("retry_policy"), source.where("retry_policy")),
            timeouts=self._timeouts(source.fields.get("timeouts"), source.where("timeouts")),
        )

    def _retry(self, value: object, path: str) -> RetryPolicy:
        source = self._object({} if value is None else value, path, _RETRY)
        return RetryPolicy(
            maximum_attempts=self._integer(source, "maximum_attempts"),
            initial_interval=self._span(source, "initial_interval"),
            backoff_coefficient=self._number(source, "backoff_coefficient"),
            maximum_interval=self._span(source, "maximum_interval"),
            non_retryable_error_types=self._strings(source, "non_retryable_error_types"),
            jitter=self._jitter(source),
            maximum_lost=self._integer(source, "maximum_lost"),
        )

    def _timeouts(self, value: object, path: str) -> Timeouts:
        source = self._object({} if value is None else value, path, ("start_to_close", "heartbeat"))
        return Timeouts(
            start_to_close=self._span(source, "start_to_close"), heartbeat=self._span(source, "heartbeat")
        )

    def _object(self, value: object, path: str, known: tuple[str, ...]) -> _Object:
        """An object with only known fields, in snake case or in protobuf's camel case."""
        if not isinstance(value, dict):
            self._wrong(path, "is missing" if value is None else "is not an object")
            return _Object(path, sound=False)
        found = _Object(path, sound=True)
        for key, item in value.items():
            name = _CAPITAL.sub(lambda match: f"_{match[0].lower()}", key)
            if name not in known:
                self._wrong(found.where(key), "is unknown", "UNKNOWN_FIELD")
            elif name in found.fields:
                self._wrong(found.where(key), "is given more than once")
            found.fields[name] = item
        return found

    def _required(self, source: _Object, name: str, kind: type[T], noun: str, instead: T) -> T:
        if source.fields.get(name) is None:
            if source.sound:
                self._wrong(source.where(name), "is missing")
            return instead
        return self._optional(source, name, kind, noun, instead)

    def _optional(self, source: _Object, name: str, kind: type[T], noun: str, instead: T) -> T:
        value = source.fields.get(name)
        if value is None:
            return instead
        if not isinstance(value, kind) or isinstance(value, bool):
            self._wrong(source.where(name), f"is not {noun}")
            return instead
        return value

    def _strings(self, source: _Object, name: str) -> tuple[str, ...]:
        items = self._optional(source, name, list, "a list", [])
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self._wrong(f"{source.where(name)}[{index}]", "is not a string")
        return tuple(item for item in items if isinstance(item, str))

    def _integer(self, source: _Object, name: str) -> int | None:
        value = self._optional(source, name, int, "an integer", 0)
        if not -(2**31) <= value < 2**31:
            self._wrong(source.where(name), "does not fit 32 bits")
        return value or None

    def _number(self, source: _Object, name: str) -> float | None:
        value = source.fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            return self._optional(source, name, float, "a number", 0.0) or None
        try:
            return float(value) or None
        except OverflowError:
            self._wrong(source.where(name), "is not a number that a double can hold")
            return None

    def _span(self, source: _Object, name: str) -> timedelta | None:
        value = self._optional(source, name, str, "a string such as `1.5s`", "")
        match = _SPAN.match(value)
        if match is None:
            if value:
                self._wrong(source.where(name), "is not a span such as `1.5s`")
            return None
        fraction = (match[2] or "").ljust(6, "0")[:6]
        return timedelta(seconds=int(match[1]), microseconds=int(fraction))

    def _jitter(self, source: _Object) -> Jitter | None:
        value = self._optional(source, "jitter", str, "a string", "")
        if value not in ("", "JITTER_UNSPECIFIED", "JITTER_FULL", "JITTER_NONE"):
            self._wrong(source.where("jitter"), "is not JITTER_FULL or JITTER_NONE")
            return None
        return Jitter(value.removeprefix("JITTER_")) if value in ("JITTER_FULL", "JITTER_NONE") else None

    def _wrong(self, path: str, description: str, reason: str = "") -> None:
        self._violations.append(FieldViolation(path, description, reason))
