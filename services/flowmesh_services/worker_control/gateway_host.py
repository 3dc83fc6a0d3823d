"""The gateway of this process, as long as the process is a member of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowmesh_core.application.member_session import MemberLease
    from flowmesh_core.application.worker_gateway.gateway import Gateway


class GatewayHost:
    """Runs one gateway per membership: its id is the member's."""

    def __init__(self, make: Callable[[str], Gateway]) -> None:
        """Get gateways from `make`, which takes their id."""
        self._make = make
        self._gateway: Gateway | None = None
        self._is_stopping = False

    @property
    def gateway(self) -> Gateway:
        """The gateway that takes calls now.

        Raises:
            StoreUnavailable: There is none, because the process is starting, ending
                or lost its membership.
        """
        if self._gateway is None or self._is_stopping:
            raise StoreUnavailable("this server does not take workers now; try another", retry_after=1.0)
        return self._gateway

    async def serve(self, lease: MemberLease) -> None:
        """Run a gateway under a lease, until cancelled."""
        self._gateway = self._make(lease.member_id)
        try:
            await self._gateway.run()
        finally:
            self._gateway = None

    async def drain(self) -> None:
        """Send the workers elsewhere and wait until they went, for a bounded time."""
        self._is_stopping = True
        if self._gateway is not None:
            await self._gateway.stop()
