"""Servers that are no Redis."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Accept connections and never say a word."""
    async with _server(b"") as url:
        yield url


@asynccontextmanager
async def babbling_server() -> AsyncIterator[str]:
    """Answer with what is not the Redis protocol."""
    async with _server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        yield url


@asynccontextmanager
async def _server(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(65536):
                writer.write(answer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
