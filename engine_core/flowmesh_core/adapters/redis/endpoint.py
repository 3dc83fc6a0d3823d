"""Where a Redis is and how to get in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from flowmesh_core.adapters.redis.wire import Command, Wire

_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A peer that vanished without a word is noticed in half a minute."""

_NOT_REDIS = "a Redis URL starts with redis://, rediss:// or unix://"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of a Redis URL; `path` is set for Unix sockets, else `host`."""

    host: str
    port: int
    path: str
    username: str
    password: str = field(repr=False)
    database: int
    tls: bool

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Read `redis://`, `rediss://` (TLS) and `unix://` URLs as other clients do.

        Raises:
            ValueError: It is none of them; the message holds no part of it, which may be a secret.
        """
        try:
            return cls._parse(url)
        except ValueError as error:
            if str(error) == _NOT_REDIS:
                raise
            words = "the Redis URL has a malformed host, port or database; passwords need %-escapes"
            raise ValueError(words) from None

    @classmethod
    def _parse(cls, url: str) -> Endpoint:
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError(_NOT_REDIS)
        unix = parts.scheme == "unix"
        database = parse_qs(parts.query).get("db", [""])[0] or ("" if unix else parts.path.strip("/"))
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            path=unquote(parts.path) if unix else "",
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=int(database or 0),
            tls=parts.scheme == "rediss",
        )

    def __str__(self) -> str:
        """Name it in messages, without the password."""
        return self.path or f"{self.host}:{self.port}"

    def greeting(self) -> list[Command]:
        """Return the commands that open a connection."""
        commands: list[Command] = []
        if self.password:
            names = (self.username,) if self.username else ()
            commands.append(("AUTH", *names, self.password))
        if self.database:
            commands.append(("SELECT", self.database))
        return commands

    async def dial(self, wire: Wire) -> None:
        """Connect a wire.

        Raises:
            OSError: Nobody answers there.
        """
        loop = asyncio.get_running_loop()
        if self.path:
            await loop.create_unix_connection(lambda: wire, self.path)
            return
        context = ssl.create_default_context() if self.tls else None
        transport, _ = await loop.create_connection(lambda: wire, self.host, self.port, ssl=context)
        _keep_alive(transport.get_extra_info("socket"))


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
