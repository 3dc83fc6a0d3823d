"""The gRPC server: services of any number of roles, health and reflection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from flowmesh_services.runtime.interceptors import CallInterceptor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowmesh_services.runtime.role import ServedRole

_SERVING = health_pb2.HealthCheckResponse.SERVING
# A client that pings more often than a server permits is cut off, so the two are set as a pair: clients
# of ours ping every 30 s, and the server permits twice that rate.
_MINIMUM_PING_INTERVAL_MS = 15_000
_SERVER_PING_INTERVAL_MS = 60_000
_PING_TIMEOUT_MS = 20_000
_MAXIMUM_METADATA_BYTES = 64 * 1024
# Calls that arrived and wait for the event loop. From 1,000 on gRPC cancels some unless told otherwise,
# and watchers that come back at once are more than that.
_PENDING_CALLS = 20_000


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM data of a server; with `client_ca`, clients must show a certificate of that authority."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to listen.

    Attributes:
        listen: `host:port` or `unix:path`; port 0 takes a free one.
        max_message_bytes: The largest message in either direction.
        tls: None for plaintext.
    """

    listen: str
    max_message_bytes: int
    tls: Tls | None = None


class CannotListenError(Exception):
    """The address is taken or does not exist."""


class GrpcServer:
    """A server that starts serving, says so, says first that it stops, and then stops."""

    def __init__(self, options: ServerOptions, roles: Sequence[ServedRole]) -> None:
        self._options = options
        self._services = [service for role in roles for service in role.services]
        self._health = health.aio.HealthServicer()
        self._server = self._build()

    async def start(self) -> str:
        """Listen and report SERVING.

        Returns:
            The address, with the port that was chosen.

        Raises:
            CannotListenError: The address cannot be used.
        """
        address = self._bind()
        await self._server.start()
        for name in ("", *(service.name for service in self._services)):
            await self._health.set(name, _SERVING)
        return address

    async def announce_stop(self) -> None:
        """Report NOT_SERVING for good, so that load balancers look elsewhere."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Refuse new calls, and cancel what has not ended after `grace` seconds."""
        await self._server.stop(grace)

    def _build(self) -> grpc.aio.Server:
        server = grpc.aio.server(interceptors=[CallInterceptor()], options=_channel_options(self._options))
        for service in self._services:
            service.register(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = [service.name for service in self._services]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        return server

    def _bind(self) -> str:
        listen = self._options.listen
        try:
            port = self._bind_port(listen)
        except RuntimeError as error:
            raise CannotListenError(f"cannot listen on {listen}: is it in use?") from error
        host = listen.rpartition(":")[0]
        return listen if listen.startswith("unix:") else f"{host}:{port}"

    def _bind_port(self, listen: str) -> int:
        tls = self._options.tls
        if tls is None:
            return self._server.add_insecure_port(listen)
        credentials = grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)], tls.client_ca, require_client_auth=tls.client_ca is not None
        )
        return self._server.add_secure_port(listen, credentials)


def _channel_options(options: ServerOptions) -> list[tuple[str, int]]:
    return [
        # Without this, a second server on the same port takes half of the calls, silently.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", options.max_message_bytes),
        ("grpc.max_metadata_size", _MAXIMUM_METADATA_BYTES),
        ("grpc.server.max_pending_requests", _PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", 2 * _PENDING_CALLS),
        ("grpc.keepalive_time_ms", _SERVER_PING_INTERVAL_MS),
        ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _MINIMUM_PING_INTERVAL_MS),
    ]
