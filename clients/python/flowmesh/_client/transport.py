"""Performs calls and watches, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc

from flowmesh import _status, _tracing
from flowmesh._channel import TLS, Stubs, open_aio_channel, open_channel
from flowmesh._client.retry import Attempts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from grpc import aio

    from flowmesh._client.bulk import Batch
    from flowmesh._client.calls import Call, Pager
    from flowmesh._client.watch import WatchCursor
    from flowmesh._errors import ServiceError
    from flowmesh._models import WatchItem

T = TypeVar("T")


class SyncTransport:
    """Calls that block their thread."""

    def __init__(self, address: str, tls: TLS | None, timeout: float) -> None:
        self.timeout = timeout
        self._channel = open_channel(address, tls, within=timeout)
        self._stubs = Stubs(self._channel)

    def call(self, call: Call[T]) -> T:
        """Perform a call, again where that helps.

        Raises:
            ServiceError: The service refused it, or did not answer in time.
        """
        attempts = Attempts(self.timeout)
        with _tracing.call_span(call.name) as metadata:
            while True:
                try:
                    answer = call.rpc(self._stubs)(
                        call.request, timeout=attempts.remaining(), metadata=metadata
                    )
                    return call.parse(answer)
                except grpc.RpcError as error:
                    failure = _status.error_of_call(error)
                time.sleep(attempts.delay_or_raise(failure))

    def batch(self, batch: Batch) -> list[str | ServiceError]:
        """Send submissions, and again those that were refused for now.

        Raises:
            ServiceError: A call as a whole was refused, or not answered in time.
        """
        while True:
            delay = batch.take(self.call(batch.call))
            if delay is None:
                return batch.outcomes
            time.sleep(delay)

    def pages(self, pager: Pager[T]) -> Iterator[T]:
        """Walk through a list, a page at a time."""
        token = ""
        while True:
            page = self.call(pager.page(token))
            yield from page.items
            token = page.next_token
            if not token:
                return

    def watch(self, cursor: WatchCursor) -> Iterator[WatchItem]:
        """Follow an execution to its end, over as many streams as it takes."""
        while True:
            stream = self._stubs.orchestration.WatchExecution(
                cursor.request, timeout=cursor.stream_seconds(), metadata=_tracing.current()
            )
            try:
                for message in stream:
                    item = cursor.accept(message)
                    if item is not None:
                        yield item
                failure = None
            except grpc.RpcError as error:
                failure = _status.error_of_call(error)
            finally:
                stream.cancel()
            if cursor.ended:
                return
            time.sleep(cursor.delay_or_raise(failure))

    def close(self) -> None:
        """Close the channel; calls under way fail."""
        self._channel.close()


class AsyncTransport:
    """Calls that are awaited. All of them belong to the loop of the first."""

    def __init__(self, address: str, tls: TLS | None, timeout: float) -> None:
        self.timeout = timeout
        self._address, self._tls = address, tls
        self._channel: aio.Channel | None = None
        self._opened: Stubs | None = None

    @property
    def _stubs(self) -> Stubs:
        """The stubs of a channel that is opened with the first call, when the loop runs."""
        if self._opened is None:
            self._channel = open_aio_channel(self._address, self._tls, within=self.timeout)
            self._opened = Stubs(cast("grpc.Channel", self._channel))
        return self._opened

    async def call(self, call: Call[T]) -> T:
        """Perform a call, again where that helps.

        Raises:
            ServiceError: The service refused it, or did not answer in time.
        """
        attempts = Attempts(self.timeout)
        with _tracing.call_span(call.name) as metadata:
            while True:
                rpc = cast("aio.UnaryUnaryMultiCallable[Any, Any]", call.rpc(self._stubs))
                try:
                    answer = await rpc(call.request, timeout=attempts.remaining(), metadata=metadata)
                    return call.parse(answer)
                except grpc.RpcError as error:
                    failure = _status.error_of_call(error)
                await asyncio.sleep(attempts.delay_or_raise(failure))

    async def batch(self, batch: Batch) -> list[str | ServiceError]:
        """Send submissions, and again those that were refused for now.

        Raises:
            ServiceError: A call as a whole was refused, or not answered in time.
        """
        while True:
            delay = batch.take(await self.call(batch.call))
            if delay is None:
                return batch.outcomes
            await asyncio.sleep(delay)

    async def pages(self, pager: Pager[T]) -> AsyncIterator[T]:
        """Walk through a list, a page at a time."""
        token = ""
        while True:
            page = await self.call(pager.page(token))
            for item in page.items:
                yield item
            token = page.next_token
            if not token:
                return

    async def watch(self, cursor: WatchCursor) -> AsyncIterator[WatchItem]:
        """Follow an execution to its end, over as many streams as it takes."""
        rpc = cast("aio.UnaryStreamMultiCallable[Any, Any]", self._stubs.orchestration.WatchExecution)
        while True:
            stream = rpc(cursor.request, timeout=cursor.stream_seconds(), metadata=_tracing.current())
            try:
                async for message in stream:
                    item = cursor.accept(message)
                    if item is not None:
                        yield item
                failure = None
            except grpc.RpcError as error:
                failure = _status.error_of_call(error)
            finally:
                stream.cancel()
            if cursor.ended:
                return
            await asyncio.sleep(cursor.delay_or_raise(failure))

    async def close(self) -> None:
        """Close the channel; calls under way fail."""
        if self._channel is not None:
            await self._channel.close()
