"""Brings the schema of a database to the version that this code needs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from flowmesh_core.adapters.postgres.pool import REFUSED, UNANSWERED, unavailable
from flowmesh_core.domain.errors import ClusterMismatch, StoreUnavailable

if TYPE_CHECKING:
    from flowmesh_core.adapters.postgres.pool import AnyConnection

TIME_LIMIT = 600.0
"""Seconds that one migration may take, unless set otherwise."""

_FILE_NAME = re.compile(r"(\d{4})_(pre|post)_\w+\.sql")
_ADVISORY_LOCK = 0x666C6F776D657368  # "flowmesh"
_APPLICATION = "flowmesh migrate"
_QUICK = 10.0
"""Seconds for what only a server that is gone takes longer for."""
_TABLE = """
CREATE SCHEMA IF NOT EXISTS flowmesh;
CREATE TABLE IF NOT EXISTS flowmesh.migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    phase      text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Phase(Enum):
    """When a migration is applied, seen from a deployment of new code."""

    PRE = "pre"
    POST = "post"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered change of the schema."""

    version: int
    phase: Phase
    name: str
    text: str = field(repr=False)

    @property
    def checksum(self) -> str:
        """What tells whether the text is the one that was applied."""
        return sha256(self.text.encode()).hexdigest()


def migrations() -> Sequence[Migration]:
    """Return the changes that this code knows, by version."""
    found = []
    for file in files("flowmesh_core.adapters.postgres.migrations").iterdir():
        match = _FILE_NAME.fullmatch(file.name)
        if match is not None:
            text = file.read_text("utf-8")
            found.append(Migration(int(match[1]), Phase(match[2]), file.name.removesuffix(".sql"), text))
    return sorted(found, key=lambda migration: migration.version)


async def migrate(
    dsn: str,
    *,
    phases: Collection[Phase] = frozenset(Phase),
    known: Sequence[Migration] | None = None,
    lock_timeout: float = 30.0,
    time_limit: float = TIME_LIMIT,
) -> list[str]:
    """Apply what is missing, in order, and return the names of what was applied.

    Safe to run many times and from many processes at once. `lock_timeout`, in
    seconds, bounds every wait for another process or for a lock on a table, and
    `time_limit` what one migration takes in all.

    Raises:
        ClusterMismatch: The database was changed by newer code, or a released
            migration was altered since it was applied.
        StoreUnavailable: The server does not answer, a lock was not free or a
            migration not done in time. What was not returned was not applied.
    """
    applied = []
    async with _migrating(dsn, lock_timeout, time_limit) as session:
        for migration in pending(await _applied(session), migrations() if known is None else known):
            if migration.phase in phases:
                with _told(migration, lock_timeout, time_limit):
                    await _apply(session, migration, time_limit)
                applied.append(migration.name)
    return applied


async def require_current(session: AnyConnection) -> None:
    """Check that this code can work with the schema.

    The additions of newer code do no harm; what it removed does.

    Raises:
        ClusterMismatch: Something is missing or was removed.
    """
    try:
        applied = await _applied(session)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise ClusterMismatch("the database has no flowmesh schema: run `flowmesh migrate`") from error
    additions = {version: row for version, row in applied.items() if row["phase"] == Phase.PRE.value}
    known = {migration.version for migration in migrations()}
    removed = sorted(applied[version]["name"] for version in applied.keys() - additions.keys() - known)
    if removed:
        raise ClusterMismatch(f"the database was changed by newer code: {', '.join(removed)}")
    missing = [each.name for each in migrations() if each.phase is Phase.PRE and each.version not in applied]
    if missing:
        raise ClusterMismatch(f"the database lacks {', '.join(missing)}: run `flowmesh migrate`")


def pending(applied: Mapping[int, asyncpg.Record], known: Sequence[Migration]) -> Sequence[Migration]:
    """Return the known migrations that are not applied; raises `ClusterMismatch` as `migrate` does."""
    unknown = sorted(applied.keys() - {migration.version for migration in known})
    if unknown:
        names = ", ".join(applied[version]["name"] for version in unknown)
        raise ClusterMismatch(f"the database was changed by newer code: {names}")
    for migration in known:
        row = applied.get(migration.version)
        if row is not None and row["checksum"] != migration.checksum:
            raise ClusterMismatch(f"migration {migration.name} was altered after it was applied")
    return [migration for migration in known if migration.version not in applied]


@asynccontextmanager
async def _migrating(dsn: str, lock_timeout: float, time_limit: float) -> AsyncIterator[AnyConnection]:
    try:
        session = await asyncpg.connect(
            dsn,
            timeout=min(_QUICK, time_limit),
            command_timeout=lock_timeout + _QUICK,
            server_settings={
                "application_name": _APPLICATION,
                "lock_timeout": _milliseconds(lock_timeout),
            },
            target_session_attrs=SessionAttribute.read_write,
        )
        try:
            await _exclude_others(session, lock_timeout)
            await session.execute(_TABLE)
            yield session
        finally:
            await session.close(timeout=_QUICK)
    except (*UNANSWERED, *REFUSED) as error:
        raise unavailable(error) from error


async def _exclude_others(session: AnyConnection, lock_timeout: float) -> None:
    try:
        await session.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
    except asyncpg.LockNotAvailableError as error:
        raise StoreUnavailable(
            f"another process migrates this database and was not done after {lock_timeout:g} s: wait for it, "
            f"or end its session, `{_APPLICATION}` in pg_stat_activity; then run `flowmesh migrate` again"
        ) from error


@contextmanager
def _told(migration: Migration, lock_timeout: float, time_limit: float) -> Iterator[None]:
    """Say what to do about a migration that was rolled back because it would have waited for too long."""
    try:
        yield
    except asyncpg.LockNotAvailableError as error:
        raise StoreUnavailable(
            f"migration {migration.name} waited {lock_timeout:g} s for a table that another session holds, "
            "and was rolled back: end what has been open for long in pg_stat_activity, such as a transaction "
            "or `flowmesh verify`; then run `flowmesh migrate` again"
        ) from error
    except asyncpg.QueryCanceledError as error:
        raise StoreUnavailable(
            f"migration {migration.name} took more than {time_limit:g} s and was rolled back: "
            "give it longer with `flowmesh migrate --timeout SECONDS`"
        ) from error


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


async def _applied(session: AnyConnection) -> dict[int, asyncpg.Record]:
    rows = await session.fetch("SELECT version, name, phase, checksum FROM flowmesh.migration")
    return {row["version"]: row for row in rows}


async def _apply(session: AnyConnection, migration: Migration, time_limit: float) -> None:
    async with session.transaction():
        await session.execute(f"SET LOCAL statement_timeout = {_milliseconds(time_limit)}")
        await session.execute(migration.text, timeout=time_limit + _QUICK)
        await session.execute(
            "INSERT INTO flowmesh.migration (version, name, phase, checksum) VALUES ($1, $2, $3, $4)",
            migration.version,
            migration.name,
            migration.phase.value,
            migration.checksum,
        )
