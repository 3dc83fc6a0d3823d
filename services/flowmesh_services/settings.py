"""What an operator may set: environment variables, read once, handed down as values.

The variable of a field is `FLOWMESH_` and its name in capitals. deploy/README.md
has a table of all of them, which a test compares with this file.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_type_hints

from pydantic import (
    AliasChoices,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from flowmesh_core.application.overload_guard import LoadLimits
from flowmesh_core.domain.limits import Limits

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_PREFIX = "FLOWMESH_"
_LIMITS = Limits()
_LOAD = LoadLimits()
_MIB = 1024 * 1024
_DAY = 24 * 3600.0

NonNegativeFloat = Annotated[float, Field(ge=0)]


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line per problem."""


class _Concern(BaseSettings):
    """Settings of one concern; durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)


class ListenSettings(_Concern):
    """Where a process listens, and how it ends.

    Attributes:
        listen: `host:port` or `unix:/path`; port 0 takes a free one.
        tls_certificate: PEM file of the server's certificate chain.
        tls_key: PEM file of its private key.
        tls_client_ca: PEM file of the authority whose certificates clients must show.
        insecure: Allows plaintext on an address that other machines can reach.
        max_message_bytes: The largest request and the largest answer.
        grace_seconds: How long each step of a graceful end may take.
    """

    listen: str = "127.0.0.1:7466"
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    insecure: bool = False
    max_message_bytes: PositiveInt = 128 * _MIB
    grace_seconds: NonNegativeFloat = 10.0

    @field_validator("listen")
    @classmethod
    def _has_host_and_port(cls, listen: str) -> str:
        host, _, port = listen.rpartition(":")
        if not listen.startswith("unix:/") and not (host and port.isdecimal() and int(port) < 2**16):
            raise ValueError("must be host:port, such as 127.0.0.1:7466, or unix:/path")
        return listen

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("FLOWMESH_TLS_CERTIFICATE and FLOWMESH_TLS_KEY go together")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("FLOWMESH_TLS_CLIENT_CA needs FLOWMESH_TLS_CERTIFICATE and FLOWMESH_TLS_KEY")
        return self

    @model_validator(mode="after")
    def _plaintext_stays_on_this_machine(self) -> Self:
        if self.tls_certificate is None and not self.insecure and not _is_local(self.listen):
            raise ValueError(
                f"{self.listen} can be reached by other machines: set FLOWMESH_TLS_CERTIFICATE and "
                "FLOWMESH_TLS_KEY, or FLOWMESH_INSECURE=true to go without encryption and authentication"
            )
        return self


class StoreSettings(_Concern):
    """Where PostgreSQL and Redis are.

    Attributes:
        postgres_url: Such as `postgresql://user:password@host/database`.
        postgres_connections: The most connections of one process.
        redis_url: Such as `redis://host:6379/0`.
    """

    postgres_url: str | None = Field(default=None, repr=False)
    postgres_connections: PositiveInt = 10
    redis_url: str | None = Field(default=None, repr=False)


class EmbeddedSettings(_Concern):
    """The servers that `flowmesh dev` starts when no addresses are set.

    Attributes:
        data_dir: Where their data is kept; without it, it ends with the process.
        embedded_redis_server: A Redis or Valkey program to use instead of the packaged one.
        embedded_postgres_bin: A directory with PostgreSQL's programs to use instead of the packaged ones.
    """

    data_dir: Path | None = None
    embedded_redis_server: str | None = None
    embedded_postgres_bin: str | None = None


class ClusterSettings(_Concern):
    """What all processes of a cluster share.

    Attributes:
        partitions: Over how many partitions executions are spread; fixed when the cluster is created.
        lease_seconds: After how long without a sign of life a process counts as dead.
    """

    partitions: Annotated[int, Field(ge=1, le=4096)] = 256
    lease_seconds: PositiveFloat = 3.0


class OrchestrationSettings(_Concern):
    """How executions advance.

    Attributes:
        dispatch_window: The most attempts of one execution that may be in flight.
        max_watchers: The most watchers that one process serves.
        watcher_patience_seconds: How long a watcher may take to read before its stream is ended.
    """

    dispatch_window: PositiveInt = 5_000
    max_watchers: PositiveInt = 10_000
    watcher_patience_seconds: PositiveFloat = 30.0


class WorkerSettings(_Concern):
    """How workers are dealt with.

    Attributes:
        worker_lease_seconds: By when the tasks of a worker that fell silent are ready for others.
        worker_beat_seconds: How often a worker has to beat.
        start_report_seconds: A task held for longer is recorded as running.
        gateway_lease_seconds: By when the tasks of a process that held them for
            workers, and died, are ready for others.
    """

    gateway_lease_seconds: PositiveFloat = 10.0
    worker_lease_seconds: PositiveFloat = 30.0
    worker_beat_seconds: PositiveFloat = 5.0
    start_report_seconds: PositiveFloat = 0.1

    @property
    def gateway_silence(self) -> float:
        """For how long of its lease a gateway may be silent: at its end, its tasks are ready elsewhere."""
        return self.gateway_lease_seconds * 0.8

    @property
    def worker_silence(self) -> float:
        """The same of a worker, whose lease is judged to the moment."""
        return self.worker_lease_seconds * 0.95

    @model_validator(mode="after")
    def _beats_fit_the_lease(self) -> Self:
        if self.worker_beat_seconds * 2 > self.worker_lease_seconds:
            raise ValueError(
                "FLOWMESH_WORKER_BEAT_SECONDS must be at most half of FLOWMESH_WORKER_LEASE_SECONDS"
            )
        return self


class LimitSettings(_Concern):
    """How large things may be.

    Attributes:
        max_nodes: Nodes of a workflow.
        max_edges: Dependencies of all its nodes together.
        max_id_length: Characters of workflow names, node ids and handlers; 255 at the most.
        max_config_bytes: The config of one node as submitted.
        max_workflow_bytes: The configs and conditions of all nodes together.
        max_input_bytes: The config of one node with its templates resolved.
        max_execution_input_bytes: The input of one execution.
        max_output_bytes: The output of one task.
        max_references: References in the templates and the condition of one node.
        max_expressions: Different CEL expressions of a workflow.
        max_expression_bytes: The source of one CEL expression.
        max_violations: How many problems of a workflow are named.
    """

    max_nodes: PositiveInt = _LIMITS.nodes
    max_edges: PositiveInt = _LIMITS.edges
    max_id_length: PositiveInt = Field(_LIMITS.id_length, le=_LIMITS.id_length)
    max_config_bytes: PositiveInt = _LIMITS.config_bytes
    max_workflow_bytes: PositiveInt = _LIMITS.workflow_bytes
    max_input_bytes: PositiveInt = _LIMITS.input_bytes
    max_execution_input_bytes: PositiveInt = _LIMITS.execution_input_bytes
    max_output_bytes: PositiveInt = 2 * _MIB
    max_references: PositiveInt = _LIMITS.references
    max_expressions: PositiveInt = _LIMITS.expressions
    max_expression_bytes: PositiveInt = _LIMITS.expression_bytes
    max_violations: PositiveInt = _LIMITS.violations


class RateSettings(_Concern):
    """How many workflows may be submitted, over all replicas; a rate of 0 does not limit.

    Attributes:
        namespace_rate: Workflows per second and namespace.
        namespace_burst: How many of them at once.
        client_rate: Workflows per second and client, told by its address: behind a proxy all are one.
        client_burst: How many of them at once.
    """

    namespace_rate: NonNegativeFloat = 50_000
    namespace_burst: PositiveFloat = 100_000
    client_rate: NonNegativeFloat = 20_000
    client_burst: PositiveFloat = 50_000


class LoadSettings(_Concern):
    """How much accepted work may wait before submissions are refused.

    Attributes:
        max_partition_commands: Undecided commands of one partition.
        max_commands: Undecided commands of the cluster.
        max_open_executions: Open executions of the cluster.
        max_namespace_tasks: Unfinished tasks in the queues of one namespace.
    """

    max_partition_commands: PositiveInt = _LOAD.partition_commands
    max_commands: PositiveInt = _LOAD.commands
    max_open_executions: PositiveInt = _LOAD.executions
    max_namespace_tasks: PositiveInt = _LOAD.namespace_tasks


class RetentionSettings(_Concern):
    """How long things are kept.

    Attributes:
        retention_seconds: How long a closed execution can still be read.
    """

    retention_seconds: PositiveFloat = 7 * _DAY


class TelemetrySettings(_Concern):
    """What a process tells about itself.

    Attributes:
        log_level: The least severity that is logged.
        log_format: `json` for machines, `console` for people, `auto` for people on a terminal only.
        otlp_endpoint: The OTLP/gRPC address of a collector; OTEL_EXPORTER_OTLP_ENDPOINT does as well.
    """

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    otlp_endpoint: str | None = Field(
        default=None, validation_alias=AliasChoices("FLOWMESH_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, one attribute per concern."""

    listen: ListenSettings
    stores: StoreSettings
    embedded: EmbeddedSettings
    cluster: ClusterSettings
    orchestration: OrchestrationSettings
    workers: WorkerSettings
    limits: LimitSettings
    rates: RateSettings
    load: LoadSettings
    retention: RetentionSettings
    telemetry: TelemetrySettings


def load_settings(*, listen: str | None = None, data_dir: Path | None = None) -> Settings:
    """Read the environment; arguments that are given win over it.

    Raises:
        SettingsError: Something is wrong; the message names all of it.
    """
    given = {name: value for name, value in (("listen", listen), ("data_dir", data_dir)) if value is not None}
    concerns: dict[str, Any] = {}
    problems: list[str] = []
    for name, concern in get_type_hints(Settings).items():
        try:
            concerns[name] = concern(**{key: given[key] for key in given if key in concern.model_fields})
        except ValidationError as error:
            problems += map(_problem, error.errors(include_input=False))
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**concerns)


def _problem(error: ErrorDetails) -> str:
    """Name the variable and what is wrong with it, without its value, which may be secret."""
    message = error["msg"].removeprefix("Value error, ")
    field = "".join(str(part) for part in error["loc"][:1])
    variable = field if field.isupper() else f"{_PREFIX}{field.upper()}"
    return f"{variable}: {message}" if field else message


def _is_local(listen: str) -> bool:
    """Tell whether only this machine reaches an address."""
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
