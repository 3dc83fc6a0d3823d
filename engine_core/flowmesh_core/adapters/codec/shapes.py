"""How one kind of value becomes a compact array, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from flowmesh_core.ports.undecodable import Undecodable, UnknownSchemaVersion

T = TypeVar("T")

Packed = list[Any]
"""Plain values in a fixed order, as msgpack has them."""

Upcast = Callable[[int, Packed], tuple[int, Packed]]
"""Turns the (type number, fields) of one version into those of the next."""

Downcast = Upcast
"""The way back, for readers of the version before."""

pack_bytes = msgspec.msgpack.Encoder().encode
_unpack_bytes = msgspec.msgpack.Decoder().decode


def unpack_bytes(data: bytes) -> Packed:
    """Return the array in `data`.

    Raises:
        Undecodable: It is not an array in msgpack.
    """
    try:
        packed = _unpack_bytes(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(f"not msgpack: {error}") from error
    if not isinstance(packed, list):
        raise Undecodable(f"an array was expected, not {type(packed).__name__}")
    return packed


class Conversion(NamedTuple):
    """How one field becomes plain values, and back."""

    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]


class Shape(Generic[T]):
    """The stored order of a class's fields.

    Fields may be added at the end, with a default in the class: readers of
    the same version pass over fields they do not know. Anything else needs a
    new version.
    """

    def __init__(self, make: Callable[..., T], *fields: str, **conversions: Conversion) -> None:
        """Name the fields in the order of the constructor, after what the caller's prefix gives."""
        self._make = make
        self._read = _reader(fields)
        self._size = len(fields)
        self._converted = [(fields.index(name), each) for name, each in conversions.items()]

    def pack(self, value: T) -> Packed:
        """Return the fields as plain values."""
        packed = self._read(value)
        for position, conversion in self._converted:
            packed[position] = conversion.pack(packed[position])
        return packed

    def unpack(self, prefix: Sequence[object], fields: Packed) -> T:
        """Return the value made of `prefix` and the fields.

        Raises:
            Undecodable: The fields are too few or of the wrong kind.
        """
        known = fields[: self._size]
        try:
            for position, conversion in self._converted:
                known[position] = conversion.unpack(known[position])
            return self._make(*prefix, *known)
        except (TypeError, ValueError, IndexError) as error:
            raise Undecodable(f"malformed fields: {error}") from error


def _reader(fields: tuple[str, ...]) -> Callable[[Any], Packed]:
    if not fields:
        return lambda _: []
    read = attrgetter(*fields)
    if len(fields) == 1:
        return lambda value: [read(value)]
    return lambda value: list(read(value))


class Schema(Generic[T]):
    """The versions of a family of types, how old ones are read, and how they are written for old readers.

    Attributes:
        version: The newest.
    """

    def __init__(
        self,
        version: int,
        shapes: Mapping[int, Shape[T]],
        upcasts: Mapping[int, Upcast] | None = None,
        downcasts: Mapping[int, Downcast] | None = None,
    ) -> None:
        """Take the shapes by type number, the steps from older versions to the next, and the steps back."""
        self.version = version
        self._downcasts = downcasts or {}
        self._shapes = shapes
        self._upcasts = upcasts or {}

    def written(self, version: int, number: int, fields: Packed) -> tuple[int, Packed]:
        """Return a type number and its fields as a version has them that is not the newest, maybe."""
        for newer in range(self.version, version, -1):
            number, fields = self._downcasts[newer](number, fields)
        return number, fields

    def unpack(self, version: int, number: int, prefix: Sequence[object], fields: Packed) -> T:
        """Return the value behind a type number and fields of any version up to the current.

        Raises:
            UnknownSchemaVersion: The version or the type is not known.
            Undecodable: The fields do not fit the type.
        """
        while version != self.version:
            number, fields = self._step(version)(number, fields)
            version += 1
        shape = self._shapes.get(number)
        if shape is None:
            raise UnknownSchemaVersion(f"type {number} of version {version}")
        return shape.unpack(prefix, fields)

    def read(self, packed: Packed, prefix: Sequence[object] = ()) -> T:
        """Return the value behind `[version, type, field, …]`; raises as `unpack` does."""
        match packed:
            case [int() as version, int() as number, *fields]:
                return self.unpack(version, number, prefix, fields)
            case _:
                raise Undecodable("the version or the type is missing")

    def _step(self, version: int) -> Upcast:
        upcast = self._upcasts.get(version)
        if upcast is None:
            raise UnknownSchemaVersion(f"version {version}; this code writes {self.version}")
        return upcast
