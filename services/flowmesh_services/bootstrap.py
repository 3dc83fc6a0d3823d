"""The composition root: settings to pools, adapters, use cases and roles.

The only module that knows adapters. Leaving `build` closes everything in
reverse order.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flowmesh_core.adapters.postgres.migrate import migrate
from flowmesh_core.adapters.postgres.pool import open_pool
from flowmesh_core.ports.membership import Role
from flowmesh_services.embedded import EmbeddedServers
from flowmesh_services.runtime.role import ServedRole
from flowmesh_services.runtime.server import ServerOptions, Tls
from flowmesh_services.runtime.telemetry import exporting
from flowmesh_services.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from flowmesh_services.settings import ListenSettings, Settings


@dataclass(frozen=True, slots=True)
class Application:
    """What a process serves."""

    roles: tuple[ServedRole, ...]


@asynccontextmanager
async def build(settings: Settings, roles: Sequence[Role]) -> AsyncIterator[Application]:
    """Open what the roles need, and yield them ready to serve.

    Raises:
        SettingsError: An address is missing.
        StoreUnavailable: PostgreSQL or Redis does not answer.
        ClusterMismatch: The settings or the schema are not the cluster's.
    """
    async with AsyncExitStack() as stack:
        resource = {"service.name": "flowmesh", "flowmesh.roles": ",".join(role.value for role in roles)}
        await stack.enter_async_context(exporting(settings.telemetry.otlp_endpoint, resource))
        await stack.enter_async_context(
            open_pool(postgres_url(settings), maximum=settings.stores.postgres_connections)
        )
        yield Application(tuple(ServedRole(role.value) for role in roles))


@asynccontextmanager
async def with_stores(settings: Settings) -> AsyncIterator[Settings]:
    """Start embedded servers for the stores that have no address, and yield settings that name all.

    Raises:
        EmbeddedServerError: One cannot be started.
    """
    stores, embedded = settings.stores, settings.embedded
    if stores.postgres_url is not None and stores.redis_url is not None:
        yield settings
        return
    async with EmbeddedServers(
        embedded.data_dir,
        redis_server=embedded.embedded_redis_server,
        postgres_bin=embedded.embedded_postgres_bin,
    ) as servers:
        addresses = {
            "postgres_url": stores.postgres_url or servers.postgres_url,
            "redis_url": stores.redis_url or servers.redis_url,
        }
        yield replace(settings, stores=stores.model_copy(update=addresses))


async def bring_up_to_date(settings: Settings) -> list[str]:
    """Bring the database to the schema of this code; return the names of what was applied.

    Raises:
        SettingsError: The address is missing.
        StoreUnavailable: PostgreSQL does not answer.
        ClusterMismatch: The database was changed by newer code.
    """
    return await migrate(postgres_url(settings))


def server_options(settings: Settings) -> ServerOptions:
    """Say how to listen, with the certificates read.

    Raises:
        SettingsError: A certificate cannot be read.
    """
    listen = settings.listen
    return ServerOptions(listen.listen, listen.max_message_bytes, _tls(listen))


def _tls(listen: ListenSettings) -> Tls | None:
    if listen.tls_certificate is None or listen.tls_key is None:
        return None
    authority = listen.tls_client_ca
    try:
        return Tls(
            certificate=listen.tls_certificate.read_bytes(),
            key=listen.tls_key.read_bytes(),
            client_ca=None if authority is None else authority.read_bytes(),
        )
    except OSError as error:
        raise SettingsError(f"cannot read a certificate: {error}") from error


def postgres_url(settings: Settings) -> str:
    """Return the address of PostgreSQL; raises `SettingsError` when there is none."""
    if settings.stores.postgres_url is None:
        raise SettingsError("FLOWMESH_POSTGRES_URL: set the address of PostgreSQL")
    return settings.stores.postgres_url


def redis_url(settings: Settings) -> str:
    """Return the address of Redis; raises `SettingsError` when there is none."""
    if settings.stores.redis_url is None:
        raise SettingsError("FLOWMESH_REDIS_URL: set the address of Redis")
    return settings.stores.redis_url
