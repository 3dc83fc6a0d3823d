"""Resume tokens: where a watch stands, in a form that any replica reads."""

from __future__ import annotations

import struct
from base64 import b64decode, urlsafe_b64encode
from hashlib import sha256

from flowmesh_core.domain.errors import InvalidResumeToken
from flowmesh_core.domain.identity import ExecutionKey

_VERSION = 1
_LAYOUT = struct.Struct(">BQ6s")
"""Version, sequence of the last event that was sent, hash of the execution's key."""


class ResumeTokens:
    """Makes and reads the tokens of one execution."""

    def __init__(self, key: ExecutionKey) -> None:
        """Bind tokens to an execution."""
        self._key_hash = sha256(str(key).encode()).digest()[:6]

    def encode(self, sequence: int) -> str:
        """Return the token of who has seen everything up to `sequence`."""
        return urlsafe_b64encode(_LAYOUT.pack(_VERSION, sequence, self._key_hash)).decode()

    def decode(self, token: str) -> int:
        """Return the sequence of a token.

        Raises:
            InvalidResumeToken: It is malformed or of another execution.
        """
        try:
            version, sequence, key_hash = _LAYOUT.unpack(b64decode(token, b"-_", validate=True))
        except (ValueError, struct.error):
            raise InvalidResumeToken("the resume token is malformed") from None
        if version != _VERSION:
            raise InvalidResumeToken("the resume token has a version that this server does not know")
        if key_hash != self._key_hash:
            raise InvalidResumeToken("the resume token belongs to another execution")
        return int(sequence)
