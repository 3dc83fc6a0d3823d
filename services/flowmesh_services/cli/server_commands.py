"""The commands of operators: dev, serve, migrate and health."""

from __future__ import annotations

import asyncio
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from flowmesh_services.cli.documents import render
from flowmesh_services.cli.errors import CommandError
from flowmesh_services.cli.options import DEFAULT_ADDRESS, Address, Output, OutputFormat, client_tls

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

    from flowmesh_services.runtime.lifecycle import Shutdown
    from flowmesh_services.settings import Settings

Result = TypeVar("Result")

_PROBE_SECONDS = 3.0


class RoleName(Enum):
    """What a process can be; the same words as `Role`, which is costly to import."""

    SUBMISSION = "submission"
    ORCHESTRATION = "orchestration"
    WORKER_CONTROL = "worker-control"
    REAPER = "reaper"


Listen = Annotated[
    str | None,
    typer.Option(help="host:port or unix:/path; the default is FLOWMESH_LISTEN or 127.0.0.1:7466."),
]


def dev(
    listen: Listen = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep data here; without it, data ends with the process.")
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Run everything in one process.

    With embedded Redis and PostgreSQL, unless FLOWMESH_REDIS_URL and FLOWMESH_POSTGRES_URL name others.
    """
    run_to_end(_dev(settings_or_fail(listen=listen, data_dir=data_dir), output))


def serve(
    roles: Annotated[list[RoleName], typer.Argument(metavar="ROLE...", help="What this process is.")],
    listen: Listen = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Run one or more roles.

    The roles are submission, orchestration, worker-control and reaper.
    """
    names = [role.value for role in dict.fromkeys(roles)]
    run_to_end(_serve(settings_or_fail(listen=listen), names, output))


class PhaseName(Enum):
    """The halves of a migration, seen from a deployment of new code."""

    PRE = "pre"
    POST = "post"


def migrate(
    phase: Annotated[
        PhaseName | None,
        typer.Option(help="Only what comes before the new code, or only what waits until no old code runs."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds that one migration may take.")] = 600.0,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Bring the database to the schema of this version."""
    phases = [each.value for each in ([phase] if phase else PhaseName)]
    applied = run_to_end(_migrate(settings_or_fail(), phases, timeout))
    text = "\n".join(applied) if applied else "up to date"
    typer.echo(text if output is OutputFormat.TEXT else render({"applied": applied}))


def health(
    address: Address = DEFAULT_ADDRESS,
    service: Annotated[
        str, typer.Option(help="Ask about one service, such as flowmesh.v1.SubmissionService.")
    ] = "",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Tell whether a server serves, for probes.

    Exits 1 when it does not.
    """
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    tls = client_tls()
    with (
        grpc.secure_channel(address, tls.credentials()) if tls else grpc.insecure_channel(address)
    ) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # published types lack its methods
            answer = stub.Check(request, timeout=_PROBE_SECONDS)
        except grpc.RpcError as error:
            raise CommandError(f"{address} does not serve: {error.code().name}") from error
    state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise CommandError(f"{address} is {state}")
    typer.echo(state if output is OutputFormat.TEXT else render({"status": state}))


def settings_or_fail(*, listen: str | None = None, data_dir: Path | None = None) -> Settings:
    """Return the settings of this process, with logging set up by them.

    Raises:
        CommandError: They are wrong.
    """
    from flowmesh_services.runtime.logging import configure_logging
    from flowmesh_services.settings import SettingsError, load_settings

    try:
        settings = load_settings(listen=listen, data_dir=data_dir)
    except SettingsError as error:
        raise CommandError(str(error)) from error
    configure_logging(settings.telemetry.log_level, settings.telemetry.log_format)
    return settings


async def _dev(settings: Settings, output: OutputFormat) -> None:
    from flowmesh_services.bootstrap import bring_up_to_date, with_stores
    from flowmesh_services.runtime.lifecycle import Shutdown

    with Shutdown().on_signals() as shutdown:
        async with with_stores(settings) as complete:
            await bring_up_to_date(complete)
            await _serve_until(complete, [role.value for role in RoleName], shutdown, output)


async def _serve(settings: Settings, roles: Sequence[str], output: OutputFormat) -> None:
    from flowmesh_services.runtime.lifecycle import Shutdown

    with Shutdown().on_signals() as shutdown:
        await _serve_until(settings, roles, shutdown, output)


async def _serve_until(
    settings: Settings, names: Sequence[str], shutdown: Shutdown, output: OutputFormat
) -> None:
    from flowmesh_core.ports.membership import Role
    from flowmesh_services.bootstrap import build, server_options
    from flowmesh_services.runtime.lifecycle import serve

    def announce(address: str) -> None:
        text = f"flowmesh is ready: {', '.join(names)} on {address}"
        document = {"status": "ready", "roles": names, "address": address}
        typer.echo(text if output is OutputFormat.TEXT else render(document, indent=None))

    async with build(settings, [Role(name) for name in names]) as application:
        await serve(
            application.roles,
            server_options(settings),
            shutdown,
            grace=settings.listen.grace_seconds,
            on_ready=announce,
        )


async def _migrate(settings: Settings, phases: Sequence[str], time_limit: float) -> list[str]:
    from flowmesh_services.bootstrap import bring_up_to_date

    return await bring_up_to_date(settings, phases, time_limit)


def run_to_end(work: Coroutine[None, None, Result]) -> Result:
    """Run to the end; failures that an operator can understand become one line each."""
    import uvloop

    try:
        return uvloop.run(work)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except Exception as error:
        messages = list(_understandable(error))
        if not messages:
            raise
        raise CommandError("; ".join(messages)) from error


def _understandable(error: BaseException) -> Iterator[str]:
    from flowmesh_core.domain.errors import FlowmeshError
    from flowmesh_services.embedded import EmbeddedServerError
    from flowmesh_services.runtime.server import CannotListenError
    from flowmesh_services.settings import SettingsError

    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _understandable(part)
    elif isinstance(error, FlowmeshError | EmbeddedServerError | CannotListenError | SettingsError):
        yield str(error)
