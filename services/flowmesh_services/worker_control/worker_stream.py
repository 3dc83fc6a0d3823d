"""One worker's stream, from Hello to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh_core.application.worker_gateway.session import ReportAnswer
from flowmesh_core.domain.errors import FlowmeshError, WorkerSilent
from flowmesh_core.domain.time import micros
from flowmesh_services.wire.task import report_from_proto
from flowmesh_services.wire.timestamp import duration_to_proto
from flowmesh_services.worker_control.requests import (
    PROTOCOL_VERSION,
    at_most,
    hello_from_proto,
    invalid,
)
from flowmesh_services.worker_control.stream_channel import StreamChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flowmesh.v1 import task_pb2
    from flowmesh_core.application.worker_gateway.attachment import Connection
    from flowmesh_core.application.worker_gateway.gateway import Gateway
    from flowmesh_core.application.worker_gateway.outcome import TaskReport
    from flowmesh_services.worker_control.stream_channel import Context


async def serve_stream(
    gateway: Gateway, requests: AsyncIterator[pb.ConnectRequest], context: Context
) -> None:
    """Serve a stream until either side ends it.

    Raises:
        FlowmeshError: Why this side ended it.
    """
    hello = hello_from_proto(await _first_frame(requests, gateway.settings.lease_ttl))
    channel = StreamChannel(gateway.relieve, gateway.settings.lease_ttl)
    connection = await gateway.connect(hello, channel)
    try:
        channel.welcome(_welcome(gateway, connection))
        await _WorkerStream(gateway, connection, channel).serve(requests, context)
    finally:
        gateway.disconnect(connection)


async def _first_frame(requests: AsyncIterator[pb.ConnectRequest], patience: float) -> pb.Hello:
    try:
        async with asyncio.timeout(patience):
            async for request in requests:
                if request.WhichOneof("frame") == "hello":
                    return request.hello
                break
    except TimeoutError:
        raise WorkerSilent("no Hello came for the time of the lease") from None
    raise invalid("frame", "the first message must be a Hello", "REQUIRED")


def _welcome(gateway: Gateway, connection: Connection) -> pb.Welcome:
    settings = gateway.settings
    return pb.Welcome(
        session_id=connection.session.session_id,
        protocol_version=PROTOCOL_VERSION,
        lease_ttl=duration_to_proto(micros(settings.lease_ttl)),
        beat_interval=duration_to_proto(micros(settings.beat_interval)),
        maximum_output_bytes=settings.maximum_output_bytes,
        lost_task_tokens=connection.lost_tokens,
    )


class _WorkerStream:
    """Reads the frames of a worker while its channel is written."""

    def __init__(self, gateway: Gateway, connection: Connection, channel: StreamChannel) -> None:
        self._gateway = gateway
        self._connection = connection
        self._channel = channel

    async def serve(self, requests: AsyncIterator[pb.ConnectRequest], context: Context) -> None:
        reading = asyncio.create_task(self._read(requests))
        try:
            await self._channel.write_to(context)
        finally:
            reading.cancel()
            await asyncio.wait({reading})
        if not reading.cancelled():
            reading.result()

    async def _read(self, requests: AsyncIterator[pb.ConnectRequest]) -> None:
        error: FlowmeshError | None = None
        try:
            async for request in requests:
                await self._take(request)
        except FlowmeshError as found:
            error = found
        finally:
            self._channel.close(error)

    async def _take(self, request: pb.ConnectRequest) -> None:
        match request.WhichOneof("frame"):
            case "reports":
                await self._take_reports(request.reports)
            case "credit_grant":
                self._take_credits(request.credit_grant.credits)
            case "beat":
                self._take_beat(request.beat)
            case "drain":
                self._gateway.drain(self._connection)
            case "hello":
                raise invalid("frame", "only the first message may be a Hello", "MALFORMED")
            case None:
                raise invalid("frame", "a message without a frame that this server knows", "REQUIRED")

    async def _take_reports(self, message: pb.TaskReports) -> None:
        at_most("reports.reports", len(message.reports))
        read = [self._read_report(report) for report in message.reports]
        await self._gateway.report(
            self._connection, [report for report in read if not isinstance(report, ReportAnswer)]
        )
        refused = [report for report in read if isinstance(report, ReportAnswer)]
        if refused:
            self._channel.answer(refused)

    def _read_report(self, message: task_pb2.TaskReport) -> TaskReport | ReportAnswer:
        try:
            return report_from_proto(message, self._gateway.settings.maximum_output_bytes)
        except FlowmeshError as error:
            return ReportAnswer(message.task_token, None, error)

    def _take_credits(self, more: int) -> None:
        if more < 1:
            raise invalid("credit_grant.credits", f"must be at least 1; it is {more}", "OUT_OF_RANGE")
        self._gateway.grant(self._connection, more)

    def _take_beat(self, message: pb.Beat) -> None:
        heartbeats = [heartbeat.task_token for heartbeat in message.heartbeats]
        answer = self._gateway.beat(self._connection, message.held_task_tokens, heartbeats)
        self._channel.answer_beat(answer)
