"""Page tokens: opaque to callers, good for the list and filters they were given for."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64encode
from hashlib import sha256

from flowmesh_core.domain.errors import FieldViolation, InvalidRequest

_VERSION = b"\x01"
_HASH_BYTES = 8
_LONGEST = 1_024
_BIGGEST = 2**63
"""The stores count up to here."""


class PageTokens:
    """Makes and reads the page tokens of one list under one set of filters."""

    def __init__(self, *scope: object) -> None:
        """Bind tokens to `scope`: the name of the list, then its filters, as JSON values."""
        canonical = json.dumps(scope, sort_keys=True, separators=(",", ":"))
        self._head = _VERSION + sha256(canonical.encode()).digest()[:_HASH_BYTES]

    def encode(self, *position: str | int) -> str:
        """Return the token of a position in the list."""
        body = json.dumps(position, separators=(",", ":")).encode()
        return urlsafe_b64encode(self._head + body).decode().rstrip("=")

    def decode(self, token: str, shape: tuple[type, ...]) -> tuple[str | int, ...]:
        """Return the position of a token, with fields of the types in `shape`.

        Raises:
            InvalidRequest: The token was not made by this list, or for other filters.
        """
        position = self._position(token)
        if position is None or [type(field) for field in position] != list(shape) or not _fits(position):
            words = "was not given by this call, or was given for other filters"
            violation = FieldViolation("page_token", words, "INVALID_PAGE_TOKEN")
            raise InvalidRequest(f"page_token: {words}", violations=(violation,))
        return tuple(position)

    def _position(self, token: str) -> list[str | int] | None:
        if len(token) > _LONGEST:
            return None
        try:
            raw = b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
            position = json.loads(raw.removeprefix(self._head)) if raw.startswith(self._head) else None
        except (ValueError, RecursionError):
            return None
        return position if isinstance(position, list) else None


def _fits(position: list[str | int]) -> bool:
    """Say whether a store can compare with this: anybody can make a token."""
    texts = "".join(field for field in position if isinstance(field, str))
    numbers = [field for field in position if isinstance(field, int)]
    is_text = "\0" not in texts and not any("\ud800" <= each <= "\udfff" for each in texts)
    return is_text and all(-_BIGGEST <= each < _BIGGEST for each in numbers)
