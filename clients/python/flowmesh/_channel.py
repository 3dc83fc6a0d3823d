"""How channels to the services are made."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc

from flowmesh.v1.orchestration_service_pb2_grpc import OrchestrationServiceStub
from flowmesh.v1.submission_service_pb2_grpc import SubmissionServiceStub
from flowmesh.v1.worker_control_service_pb2_grpc import WorkerControlServiceStub

if TYPE_CHECKING:
    from grpc import aio

TRY_PART: Final = 0.15
"""The part of somebody's time that one try to connect takes at the most."""
_SHORTEST_TRY: Final = 1.0
_LONGEST_TRY: Final = 5.0

OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    # A whole execution with its payloads comes in one message.
    ("grpc.max_receive_message_length", 256 * 1024 * 1024),
    ("grpc.max_send_message_length", 256 * 1024 * 1024),
    # Servers send something at least every 15 s on a live stream, so these
    # pings are rare enough for every server's minimum.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # While it lasts calls fail at once, so it is shorter than the time that any of them has.
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # The SDK retries by itself, and a retry must not inherit another channel's back-off.
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class TLS:
    """How to talk TLS; all parts are PEM.

    Attributes:
        root_certificates: Whom to trust; None trusts what the system trusts.
        private_key: The client's key, for mutual TLS.
        certificate_chain: The client's certificate, for mutual TLS.
    """

    root_certificates: bytes | None = None
    private_key: bytes | None = None
    certificate_chain: bytes | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """What grpc makes of it."""
        return grpc.ssl_channel_credentials(self.root_certificates, self.private_key, self.certificate_chain)


def _options(within: float) -> list[tuple[str, Any]]:
    # By its name the least wait between two tries to connect; a try is given up after it, too.
    seconds = max(_SHORTEST_TRY, min(within * TRY_PART, _LONGEST_TRY))
    return [*OPTIONS, ("grpc.min_reconnect_backoff_ms", round(seconds * 1000))]


def open_channel(address: str, tls: TLS | None, *, within: float) -> grpc.Channel:
    """A channel for threads; it connects with the first call.

    A server that hangs is given up for another try within a part of `within`
    seconds, the time that a call has in all.
    """
    if tls is None:
        return grpc.insecure_channel(address, _options(within))
    return grpc.secure_channel(address, tls.credentials(), _options(within))


def open_aio_channel(address: str, tls: TLS | None, *, within: float) -> aio.Channel:
    """The same for the running loop."""
    from grpc import aio

    options = _options(within)
    if tls is None:
        return aio.insecure_channel(address, options)
    return aio.secure_channel(address, tls.credentials(), options)


class Stubs:
    """The three services on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    @functools.cached_property
    def submission(self) -> SubmissionServiceStub:
        """Where workflows go in."""
        return SubmissionServiceStub(self._channel)

    @functools.cached_property
    def orchestration(self) -> OrchestrationServiceStub:
        """Where executions are seen and steered."""
        return OrchestrationServiceStub(self._channel)

    @functools.cached_property
    def worker_control(self) -> WorkerControlServiceStub:
        """Where workers live."""
        return WorkerControlServiceStub(self._channel)
