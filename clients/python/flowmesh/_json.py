"""JSON, written strictly and read exactly."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Final

from flowmesh._errors import EncodingError


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} is not JSON")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)


def encode(value: object) -> bytes:
    """A value as UTF-8 JSON; dataclasses become objects.

    Raises:
        EncodingError: It holds what JSON has no form for: another type, NaN, an
            infinity, a lone surrogate, itself, or nesting beyond Python's limit.
    """
    try:
        return _ENCODER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodingError(f"not JSON: {error}") from error


def decode(data: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of UTF-8 JSON; integers keep every digit.

    Raises:
        EncodingError: The bytes are not JSON in UTF-8.
    """
    try:
        return json.loads(data if isinstance(data, str) else data.decode())
    except (ValueError, RecursionError) as error:
        raise EncodingError(f"not JSON: {error}") from error
