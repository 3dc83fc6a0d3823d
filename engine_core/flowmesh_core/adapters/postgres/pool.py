"""Connections to PostgreSQL, and what their errors mean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg
import orjson
from asyncpg.connect_utils import SessionAttribute

from flowmesh_core.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
    AnyConnection = Connection | asyncpg.Connection[asyncpg.Record]

UNANSWERED = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the end of the connection met a statement that was being sent
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    OSError,  # TimeoutError is one
)
"""The connection broke or was silent: what ran on it may have been committed."""

REFUSED = (
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalServerError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.LockNotAvailableError,
    asyncpg.PostgresSystemError,
    asyncpg.QueryCanceledError,  # by statement_timeout
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
)
"""The server said no: what ran was rolled back."""

_UNPREPARED = (asyncpg.SyntaxOrAccessError,)
"""A right or a column is missing: what was to be written is not to blame, and must not be given up for it."""

_ACQUIRE_TIMEOUT = 5.0
_CLOSE_TIMEOUT = 5.0
_KEPT_FOR = 60.0

_PLANNING = {
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Every statement looks keys up in an index, and is planned once.

A plan made while the tables were empty would scan them whole, for as long as
nobody analyses them; planning at each call would cost as much as running.
"""


class Pool:
    """Lends connections, the last that came back first.

    It keeps what it borrowed of asyncpg's pool, whose every lending costs two tasks,
    as much CPU as a short statement. What failed or was cancelled goes back, to be
    cleaned or closed there, and so does what nobody wanted for a while.
    """

    def __init__(self, connections: asyncpg.Pool[asyncpg.Record]) -> None:
        self._connections = connections
        self._kept: list[tuple[Connection, float]] = []
        self._waiting = 0
        self._is_closing = False

    async def take(self) -> Connection:
        """Borrow a connection; it goes to `keep` or `give_back`."""
        while self._kept:
            kept, _ = self._kept.pop()
            if _is_open(kept):
                return kept
            await self.give_back(kept)
        self._waiting += 1
        try:
            return await self._connections.acquire(timeout=_ACQUIRE_TIMEOUT)
        finally:
            self._waiting -= 1

    async def keep(self, borrowed: Connection) -> None:
        """Keep a connection that is as it was, unless somebody waits for one."""
        if self._waiting or self._is_closing:
            await self.give_back(borrowed)
            return
        now = time.monotonic()
        self._kept.append((borrowed, now))
        oldest, since = self._kept[0]
        if now - since > _KEPT_FOR:
            del self._kept[0]
            await self.give_back(oldest)

    async def give_back(self, borrowed: Connection) -> None:
        """Let asyncpg clean a connection up."""
        await self._connections.release(borrowed)

    async def close(self) -> None:
        """Close all connections; what is still in use after a while is cut off."""
        self._is_closing = True
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    while self._kept:
                        await self.give_back(self._kept.pop()[0])
                    await self._connections.close()
        finally:
            self._connections.terminate()


@asynccontextmanager
async def open_pool(
    dsn: str,
    *,
    minimum: int = 1,
    maximum: int = 8,
    statement_timeout: float = 10.0,
    application_name: str = "flowmesh",
) -> AsyncIterator[Pool]:
    """Open a pool of connections to the writable server behind `dsn`.

    Args:
        dsn: A `postgresql://` URL, which may name several hosts.
        minimum: Connections that are open however little there is to do.
        maximum: The most connections at one time.
        statement_timeout: Seconds after which the server gives a statement up.
            A server that is silent is given up a little later.
        application_name: What the server's own views call these connections.

    Raises:
        StoreUnavailable: No connection can be made.
    """
    connections = asyncpg.create_pool(
        dsn,
        min_size=minimum,
        max_size=maximum,
        timeout=_ACQUIRE_TIMEOUT,
        command_timeout=statement_timeout + 2.0,
        target_session_attrs=SessionAttribute.read_write,
        init=_prepare,
        reset=_keep_settings,
        server_settings={
            "application_name": application_name,
            "statement_timeout": str(round(statement_timeout * 1000)),
            **_PLANNING,
        },
    )
    try:
        await connections
    except (*UNANSWERED, *REFUSED) as error:
        raise unavailable(error) from error
    pool = Pool(connections)
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """Borrow a connection; the one place where faults become `StoreUnavailable`.

    A connection that turned out to be broken or read-only leaves the pool.
    """
    try:
        borrowed = await pool.take()
        try:
            yield borrowed
        except BaseException as error:
            if isinstance(error, (*UNANSWERED, asyncpg.ReadOnlySQLTransactionError)):
                discard(borrowed)
            await pool.give_back(borrowed)
            raise
        await pool.keep(borrowed)
    except (*UNANSWERED, *REFUSED, *_UNPREPARED) as error:
        raise unavailable(error) from error


def _is_open(kept: Connection) -> bool:
    try:
        return not kept.is_closed()
    except asyncpg.InterfaceError:  # asyncpg saw the end of the connection and took it away
        return False


def discard(borrowed: Connection) -> None:
    """Close a connection that must not be used again; the pool replaces it."""
    with suppress(asyncpg.InterfaceError):  # the pool has let go of it already
        borrowed.terminate()


def unavailable(error: BaseException) -> StoreUnavailable:
    """Say what a fault of the connection means to the core."""
    return StoreUnavailable(f"PostgreSQL does not answer: {str(error) or type(error).__name__}")


async def _prepare(fresh: asyncpg.Connection[asyncpg.Record]) -> None:
    await fresh.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_to_json, decoder=orjson.loads, format="text"
    )


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


async def _keep_settings(_: asyncpg.Connection[asyncpg.Record]) -> None:
    # The default sends RESET ALL and more after each use, a round trip that
    # nothing here needs: no statement changes its session.
    return
