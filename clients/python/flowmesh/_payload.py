"""User data as bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flowmesh import _json
from flowmesh.v1 import payload_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON_TYPE: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes that the engine carries and never rewrites.

    Attributes:
        data: The exact bytes.
        content_type: Their media type.
        metadata: Free-form remarks for the reader.
    """

    data: bytes
    content_type: str = JSON_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_json(self) -> bool:
        """Whether the bytes are JSON by their content type."""
        return self.content_type == JSON_TYPE

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """The value of the bytes.

        Raises:
            EncodingError: They are not JSON.
        """
        return _json.decode(self.data)


def to_proto(value: object) -> payload_pb2.Payload:
    """A `Payload` as it is, anything else as JSON.

    Raises:
        EncodingError: The value is not JSON.
    """
    if isinstance(value, Payload):
        return payload_pb2.Payload(
            data=value.data, content_type=value.content_type, metadata=dict(value.metadata)
        )
    return payload_pb2.Payload(data=_json.encode(value))


def from_proto(message: payload_pb2.Payload) -> Payload:
    """The payload of a message."""
    return Payload(message.data, message.content_type or JSON_TYPE, dict(message.metadata))
