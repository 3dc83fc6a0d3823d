from __future__ import annotations

import asyncio
import types
from dataclasses import dataclass
from typing import Any

import pytest

import flowmesh
from flowmesh import _json, _task


@flowmesh.task
def add(a: int, b: int = 1) -> int:
    return a + b


@flowmesh.task
async def everything(config: dict[str, Any], /) -> Any:
    return config


@flowmesh.task
def named(first: int, **rest: int) -> list[Any]:
    return [first, rest]


def call(function: Any, config: Any) -> Any:
    return _task.definition_of(function).call(config)


def test_a_task_stays_the_function_it_was() -> None:
    assert add(1) == 2
    assert asyncio.run(everything({"a": 1})) == {"a": 1}
    assert add.__name__ == "add"


def test_the_keys_of_a_config_are_the_parameters() -> None:
    assert call(add, {"a": 1}) == 2
    assert call(add, {"a": 1, "b": 5}) == 6
    assert call(named, {"first": 1, "x": 2}) == [1, {"x": 2}]


def test_a_positional_only_parameter_takes_the_whole_config() -> None:
    assert asyncio.run(call(everything, {"config": 1, "x": 2})) == {"config": 1, "x": 2}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "misses a"),
        ({"a": 1, "x": 1, "c": 1}, "does not take c, x"),
        ({"c": 1}, "misses a and does not take c"),
        ([1], "takes an object and got list"),
    ],
)
def test_a_config_that_does_not_fit_is_never_tried_again(config: Any, words: str) -> None:
    with pytest.raises(flowmesh.TaskError, match=words) as caught:
        call(add, config)
    assert caught.value.error_type == "InvalidArguments"
    assert not caught.value.retryable


def test_parameters_that_a_config_cannot_fill_are_refused() -> None:
    def two(a: int, b: int, /) -> None: ...

    def many(*args: int) -> None: ...

    for function in (two, many):
        with pytest.raises(TypeError):
            flowmesh.task(function)


def test_tasks_of_a_module_are_found_and_named_once() -> None:
    module = types.ModuleType("tasks")
    module.add, module.other, module.plain = add, everything, len  # type: ignore[attr-defined]
    assert set(_task.definitions(module)) == {"add", "everything"}
    clash = flowmesh.task(name="add")(lambda a: a)
    with pytest.raises(ValueError, match="two tasks"):
        _task.definitions([add, clash])


def test_a_worker_needs_tasks_and_slots() -> None:
    with pytest.raises(ValueError, match="task"):
        flowmesh.Worker(tasks=[])
    with pytest.raises(ValueError, match="slot"):
        flowmesh.Worker(tasks=[add], slots=0)
    with pytest.raises(TypeError):
        flowmesh.Worker(tasks=[len])


@dataclass
class Point:
    x: int
    y: list[Any]


def test_dataclasses_are_written_as_objects() -> None:
    assert _json.encode(Point(1, [Point(2, [])])) == b'{"x":1,"y":[{"x":2,"y":[]}]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), "\ud800", b"x", Point])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(flowmesh.EncodingError):
        _json.encode([value])


def test_a_value_inside_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(flowmesh.EncodingError):
        _json.encode(loop)


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_not_read(text: bytes) -> None:
    with pytest.raises(flowmesh.EncodingError):
        _json.decode(text)


def test_a_task_error_is_named_after_its_class() -> None:
    class CardDeclined(flowmesh.TaskError):
        pass

    assert CardDeclined("no").error_type == "CardDeclined"
    assert flowmesh.TaskError("no", error_type="Own").error_type == "Own"
