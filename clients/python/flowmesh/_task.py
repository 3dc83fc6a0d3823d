"""Ordinary functions made into tasks."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from flowmesh._errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flowmesh._workflow.policy import RetryPolicy

F = TypeVar("F", bound="Callable[..., Any]")

_ATTRIBUTE: Final = "__flowmesh_task__"
_POSITIONAL: Final = inspect.Parameter.POSITIONAL_ONLY
_COLLECTING: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """What the worker knows of a task function.

    Attributes:
        name: The handler name.
        function: The function.
        retry: The policy of nodes that state none.
        is_async: Whether calling it gives a coroutine.
        takes_config: Whether it takes the whole config as its one argument.
        required: The parameters that must be in the config.
        accepted: The parameters that may be; None means any.
    """

    name: str
    function: Callable[..., Any]
    retry: RetryPolicy | None
    is_async: bool
    takes_config: bool
    required: frozenset[str]
    accepted: frozenset[str] | None

    def call(self, config: Any) -> Any:  # noqa: ANN401 - the user's types
        """Call the function with a config.

        Raises:
            TaskError: `InvalidArguments`, not retryable, when the config does not fit.
        """
        if self.takes_config:
            return self.function(config)
        if not isinstance(config, dict):
            raise _invalid(f"{self.name} takes an object and got {type(config).__name__}")
        if not (self.required <= config.keys() and (self.accepted is None or config.keys() <= self.accepted)):
            raise _invalid(self._misfit(config))
        return self.function(**config)

    def _misfit(self, config: Mapping[str, Any]) -> str:
        missing = sorted(self.required - config.keys())
        unexpected = sorted(config.keys() - (self.accepted or config.keys()))
        words = [f"misses {', '.join(missing)}"] if missing else []
        words += [f"does not take {', '.join(unexpected)}"] if unexpected else []
        return f"{self.name} {' and '.join(words)}"


def _invalid(message: str) -> TaskError:
    return TaskError(message, error_type="InvalidArguments", retryable=False)


@overload
def task(function: F, /) -> F: ...
@overload
def task(*, name: str = "", retry: RetryPolicy | None = None) -> Callable[[F], F]: ...
def task(
    function: F | None = None, /, *, name: str = "", retry: RetryPolicy | None = None
) -> F | Callable[[F], F]:
    """Make a function a task; it stays callable as it was.

    The keys of a node's config are the parameters. A function whose one
    parameter is positional-only (`def f(config, /)`) takes the whole config
    instead. Plain functions run in threads, async ones on the worker's loop.

    Args:
        function: The function, when used without parentheses.
        name: The handler name; the name of the function by default.
        retry: The retry policy of nodes that state none.

    Raises:
        TypeError: The function has parameters that a config cannot fill.
    """
    if function is None:
        return functools.partial(_made_task, name=name, retry=retry)
    return _made_task(function, name=name, retry=retry)


def _made_task(function: F, *, name: str, retry: RetryPolicy | None) -> F:
    setattr(function, _ATTRIBUTE, _define(function, name or function.__name__, retry))
    return function


def _define(function: Callable[..., Any], name: str, retry: RetryPolicy | None) -> TaskDefinition:
    parameters = list(inspect.signature(function).parameters.values())
    takes_config = len(parameters) == 1 and parameters[0].kind is _POSITIONAL
    if not takes_config and any(
        p.kind in (_POSITIONAL, inspect.Parameter.VAR_POSITIONAL) for p in parameters
    ):
        raise TypeError(f"a config cannot fill the positional parameters of {name}")
    named = [p for p in parameters if p.kind not in _COLLECTING]
    open_ended = len(named) < len(parameters)
    return TaskDefinition(
        name=name,
        function=function,
        retry=retry,
        is_async=inspect.iscoroutinefunction(function),
        takes_config=takes_config,
        required=frozenset(p.name for p in named if p.default is p.empty),
        accepted=None if open_ended else frozenset(p.name for p in named),
    )


def definition_of(function: Callable[..., Any]) -> TaskDefinition:
    """What `@task` made of a function.

    Raises:
        TypeError: The function is not a task.
    """
    definition = getattr(function, _ATTRIBUTE, None)
    if not isinstance(definition, TaskDefinition):
        raise TypeError(f"{function!r} is not a task: decorate it with @flowmesh.task")
    return definition


def definitions(source: Iterable[Callable[..., Any]] | ModuleType) -> dict[str, TaskDefinition]:
    """The tasks of a list or of a module, by handler name.

    Raises:
        TypeError: One of the list is not a task.
        ValueError: Two tasks have one name.
    """
    functions = _of_module(source) if isinstance(source, ModuleType) else source
    found: dict[str, TaskDefinition] = {}
    for definition in map(definition_of, functions):
        if found.setdefault(definition.name, definition) is not definition:
            raise ValueError(f"two tasks are named {definition.name}")
    return found


def _of_module(module: ModuleType) -> list[Callable[..., Any]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(getattr(value, _ATTRIBUTE, None), TaskDefinition)
    ]
