"""JSON text, parsed so that nothing in it is lost or guessed."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from flowmesh._errors import FieldViolation, WorkflowFileError

MAXIMUM_DEPTH: Final = 100


class RepeatedKeys(dict[str, Any]):
    """An object of a text that has a key more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.repeated = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]


def parse(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a JSON text; what `problems` finds is still in it.

    Raises:
        WorkflowFileError: The text is not JSON, not UTF-8 or nested without measure.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode()
        return json.loads(decoded, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise _refused(f"is not UTF-8: byte {error.start} cannot be read") from error
    except RecursionError as error:
        raise _refused(f"is nested deeper than {MAXIMUM_DEPTH} levels") from error
    except ValueError as error:
        raise _refused(f"is not JSON: {error}") from error


def _refused(description: str) -> WorkflowFileError:
    return WorkflowFileError([FieldViolation("", f"the text {description}")])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else RepeatedKeys(pairs)


def problems(value: object, path: str, depth: int = 0) -> list[FieldViolation]:
    """What makes a value something else than strict JSON, each with its path."""
    if depth > MAXIMUM_DEPTH:
        return [FieldViolation(path, f"is nested deeper than {MAXIMUM_DEPTH} levels")]
    if isinstance(value, dict):
        return _object_problems(value, path, depth)
    if isinstance(value, (list, tuple)):
        items = enumerate(value)
        return [found for index, item in items for found in problems(item, f"{path}[{index}]", depth + 1)]
    description = _scalar_problem(value)
    return [FieldViolation(path, description)] if description else []


def _object_problems(value: dict[Any, Any], path: str, depth: int) -> list[FieldViolation]:
    repeated = value.repeated if isinstance(value, RepeatedKeys) else []
    found = [FieldViolation(_join(path, key), "is given more than once") for key in repeated]
    for key, item in value.items():
        where = _join(path, key)
        if not isinstance(key, str) or _scalar_problem(key):
            found.append(FieldViolation(where, "has a key that is not a string of unicode characters"))
        found += problems(item, where, depth + 1)
    return found


def _join(path: str, key: object) -> str:
    shown = str(key).encode(errors="backslashreplace").decode()
    return f"{path}.{shown}" if path else shown


def _scalar_problem(value: object) -> str:
    """What is wrong with a value that holds no others; empty when nothing is."""
    if value is None or isinstance(value, (bool, int)):
        return ""
    if isinstance(value, str):
        return "" if value.isascii() or _is_unicode(value) else "holds half of a surrogate pair"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "is not a finite number"
    return f"is a {type(value).__name__}, which JSON has no form for"


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
