"""Bytes to Redis and replies from it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from hiredis import ProtocolError, Reader, ReplyError, pack_command

from flowmesh_core.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Reply: TypeAlias = Any
"""bytes, int, None, ReplyError, or a list of such."""

Argument: TypeAlias = str | bytes | float
Command: TypeAlias = tuple[Argument, ...]

_MORE = object()
_NOT_NOW = (
    *("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS"),
    *("OOM", "MISCONF", "BUSY ", "NOSCRIPT", "NOAUTH", "NOPERM", "WRONGPASS"),
)
"""How the errors of a server begin that cannot serve this client now."""


class Wire(asyncio.Protocol):
    """One connection: parses replies, and holds writers back when Redis does not read."""

    def __init__(self, on_reply: Callable[[Reply], None], on_lost: Callable[[], None]) -> None:
        self._on_reply = on_reply
        self._on_lost = on_lost
        self._reader = Reader(notEnoughData=_MORE)
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are not subclasses
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Stop; nothing can be written any more."""
        self._gone.set()
        self._writable.set()
        self._on_lost()

    def pause_writing(self) -> None:
        """Redis does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Redis reads again."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Parse replies."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _MORE:
                self._on_reply(reply)
        except ProtocolError:
            self.close()

    async def writable(self) -> None:
        """Return when there is room to write."""
        await self._writable.wait()

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            StoreUnavailable: The connection is gone.
        """
        if self._transport is None or self._transport.is_closing():
            raise StoreUnavailable("the connection to Redis is gone")
        self._transport.write(data)

    def close(self) -> None:
        """Cut the connection; whatever was in flight has an unknown outcome."""
        if self._transport is not None:
            self._transport.abort()

    async def closed(self) -> None:
        """Return when the connection is gone."""
        await self._gone.wait()


_pack_command = cast("Callable[[Command], bytes]", pack_command)  # its stub knows only tuples of one


def pack(commands: Sequence[Command]) -> bytes:
    """Return commands as they go over the wire."""
    return b"".join([_pack_command(command) for command in commands])


def pack_part(words: Command) -> bytes:
    """Return words of a command without the count that a command starts with."""
    return _pack_command(words).partition(b"\r\n")[2]


def checked(reply: Reply) -> Reply:
    """Return a reply that is not an error.

    Raises:
        StoreUnavailable: Redis cannot serve now.
        ReplyError: It refused the command.
    """
    if isinstance(reply, ReplyError):
        raise StoreUnavailable(f"Redis: {reply}") if str(reply).startswith(_NOT_NOW) else reply
    return reply
