"""The composition root: settings to pools, adapters, use cases and roles.

The only module that knows adapters. Leaving `build` closes everything in
reverse order.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

from flowmesh_core.adapters.cel.engine import CelExpressionEngine
from flowmesh_core.adapters.otel import OpenTelemetry
from flowmesh_core.adapters.postgres.audit import PostgresAuditStore
from flowmesh_core.adapters.postgres.cluster_store import PostgresClusterStore
from flowmesh_core.adapters.postgres.execution_store import PostgresExecutionStore
from flowmesh_core.adapters.postgres.history_store import PostgresHistoryStore
from flowmesh_core.adapters.postgres.membership import PostgresMembership
from flowmesh_core.adapters.postgres.migrate import TIME_LIMIT, Phase, migrate
from flowmesh_core.adapters.postgres.pool import open_pool
from flowmesh_core.adapters.postgres.workflow_store import PostgresWorkflowStore
from flowmesh_core.adapters.redis.audit import RedisTransportAudit
from flowmesh_core.adapters.redis.beats import Beats
from flowmesh_core.adapters.redis.command_log import RedisCommandLog
from flowmesh_core.adapters.redis.connection import connect
from flowmesh_core.adapters.redis.load_gauge import RedisLoadGauge
from flowmesh_core.adapters.redis.mailbox import RedisMailbox
from flowmesh_core.adapters.redis.outbox import RedisOutbox
from flowmesh_core.adapters.redis.rate_limiter import RedisRateLimiter
from flowmesh_core.adapters.redis.task_queue import RedisTaskQueue
from flowmesh_core.adapters.redis.watch_hints import RedisWatchHints
from flowmesh_core.adapters.redis.worker_registry import RedisWorkerRegistry
from flowmesh_core.adapters.system import SystemClock, Uuid7Ids
from flowmesh_core.application.cluster_clock import ClusterClock
from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.member_session import MemberLease, MemberSession, MemberSettings
from flowmesh_core.application.overload_guard import LoadLimits
from flowmesh_core.application.partition_owner import OwnerPorts, OwnerSettings, PartitionOwner
from flowmesh_core.application.rate_limit import Rate, SubmissionRates
from flowmesh_core.application.reap_executions import RetentionSettings
from flowmesh_core.application.verify import Verify, VerifyPorts
from flowmesh_core.application.watch_hub import WatchSettings
from flowmesh_core.application.worker_gateway.settings import GatewaySettings
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.time import micros
from flowmesh_core.ports.formats import AgreedFormat
from flowmesh_core.ports.membership import Role
from flowmesh_services.embedded import EmbeddedServers
from flowmesh_services.orchestration.owner_role import owner_role
from flowmesh_services.orchestration.role import (
    OrchestrationOptions,
    OrchestrationPorts,
    orchestration_role,
)
from flowmesh_services.reaper.role import ReaperOptions, ReaperPorts, reaper_role
from flowmesh_services.runtime.role import Background, ServedRole
from flowmesh_services.runtime.server import ServerOptions, Tls
from flowmesh_services.runtime.telemetry import exporting
from flowmesh_services.settings import SettingsError
from flowmesh_services.submission.role import SubmissionOptions, SubmissionPorts, submission_role
from flowmesh_services.worker_control.role import WorkerControlPorts, worker_control_role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from flowmesh_core.adapters.postgres.pool import Pool
    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.application.verify import Report, VerifyOptions
    from flowmesh_core.ports.cluster_store import Cluster
    from flowmesh_services.settings import LimitSettings, ListenSettings, LoadSettings, Settings

_VERIFY_CONNECTIONS = 2
_OWN_MEMBERSHIP = frozenset({Role.ORCHESTRATION, Role.WORKER_CONTROL})
"""Roles whose work needs a lease; processes without them are members to be counted alone."""
_LANES = 2
"""One decides while the other waits for a commit: on 4 cores bulk submission is a quarter faster."""


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
        pool = await stack.enter_async_context(
            open_pool(postgres_url(settings), maximum=settings.stores.postgres_connections)
        )
        redis = await stack.enter_async_context(connect(redis_url(settings)))
        cluster = await PostgresClusterStore(pool).open(settings.cluster.partitions)
        wiring = _Wiring(settings, cluster, pool, redis)
        parts = [part for role in roles for part in wiring.parts(role)]
        if _OWN_MEMBERSHIP.isdisjoint(roles):
            parts.append(wiring.presence(roles))
        yield Application(tuple(parts))


class _Wiring:
    """The adapters of one process, and the roles made of them."""

    def __init__(self, settings: Settings, cluster: Cluster, pool: Pool, redis: RedisClient) -> None:
        self._settings = settings
        self._cluster = cluster
        self._redis = redis
        self._clock, self._ids = ClusterClock(SystemClock()), Uuid7Ids()
        exported = settings.telemetry.otlp_endpoint is not None
        tracer = trace.get_tracer("flowmesh") if exported else None
        self._telemetry = OpenTelemetry(metrics.get_meter("flowmesh"), tracer)
        self._agreed = AgreedFormat()
        self._expressions = CelExpressionEngine()
        self._membership = PostgresMembership(pool)
        self._executions = PostgresExecutionStore(pool)
        self._histories = PostgresHistoryStore(pool, self._agreed)
        self._workflows = PostgresWorkflowStore(pool)
        self._graphs = GraphCache(
            self._workflows,
            self._expressions.compile,
            maximum_input_bytes=settings.limits.max_input_bytes,
        )
        self._beats = Beats()
        self._commands = RedisCommandLog(redis, self._beats, self._telemetry, self._agreed)
        self._queue = RedisTaskQueue(redis, self._telemetry)
        self._mailbox = RedisMailbox(redis, self._telemetry)
        self._registry = RedisWorkerRegistry(redis)

    def parts(self, role: Role) -> list[ServedRole]:
        """Return what a process of this role serves."""
        match role:
            case Role.SUBMISSION:
                return [self._submission()]
            case Role.ORCHESTRATION:
                return [self._orchestration(), self._owner()]
            case Role.WORKER_CONTROL:
                return [self._worker_control()]
            case Role.REAPER:
                return [self._reaper()]

    def presence(self, roles: Sequence[Role]) -> ServedRole:
        """Return what lets the others know that this process is there, and which formats it reads."""
        session = self._member(roles, self._settings.workers.gateway_lease_seconds)

        async def until_cancelled(_: MemberLease) -> None:
            await asyncio.Event().wait()

        return ServedRole(
            "presence", background=(Background("membership", lambda: session.run(until_cancelled)),)
        )

    def _submission(self) -> ServedRole:
        rates = self._settings.rates
        ports = SubmissionPorts(
            executions=self._executions,
            workflows=self._workflows,
            commands=self._commands,
            rate_limiter=RedisRateLimiter(self._redis),
            load=RedisLoadGauge(self._redis),
            ids=self._ids,
            clock=self._clock,
            telemetry=self._telemetry,
            compile_expression=self._expressions.compile,
        )
        options = SubmissionOptions(
            partitions=self._cluster.partitions,
            limits=limits(self._settings.limits),
            rates=SubmissionRates(
                per_namespace=Rate(rates.namespace_rate, rates.namespace_burst),
                per_client=Rate(rates.client_rate, rates.client_burst),
            ),
            load=load_limits(self._settings.load),
        )
        return submission_role(ports, options)

    def _orchestration(self) -> ServedRole:
        ports = OrchestrationPorts(
            executions=self._executions,
            histories=self._histories,
            graphs=self._graphs,
            workers=self._registry,
            commands=self._commands,
            mailbox=self._mailbox,
            hints=RedisWatchHints(self._redis, self._telemetry),
            ids=self._ids,
            clock=self._clock,
            telemetry=self._telemetry,
        )
        options = OrchestrationOptions(
            mailbox=f"callers-{self._ids.new_id()}",
            watch=WatchSettings(
                maximum_watchers=self._settings.orchestration.max_watchers,
                patience=self._settings.orchestration.watcher_patience_seconds,
            ),
        )
        return orchestration_role(ports, options)

    def _owner(self) -> ServedRole:
        ports = OwnerPorts(
            membership=self._membership,
            command_logs=tuple(
                RedisCommandLog(self._redis, self._beats, self._telemetry, self._agreed)
                for _ in range(_LANES)
            ),
            outbox=RedisOutbox(self._redis, self._beats, self._agreed),
            history=self._histories,
            executions=self._executions,
            graphs=self._graphs,
            clock=self._clock,
            telemetry=self._telemetry,
        )
        settings = OwnerSettings(
            partitions=self._cluster.partitions,
            window=self._settings.orchestration.dispatch_window,
            gateway_grace=self._settings.workers.gateway_lease_seconds,
        )
        session = self._member([Role.ORCHESTRATION], self._settings.cluster.lease_seconds)
        return owner_role(session, PartitionOwner(ports, settings))

    def _worker_control(self) -> ServedRole:
        workers = self._settings.workers
        ports = WorkerControlPorts(
            queue=self._queue,
            commands=self._commands,
            mailbox=self._mailbox,
            registry=self._registry,
            clock=self._clock,
            telemetry=self._telemetry,
        )
        settings = GatewaySettings(
            lease_ttl=workers.worker_silence,
            beat_interval=workers.worker_beat_seconds,
            maximum_output_bytes=self._settings.limits.max_output_bytes,
            start_report_delay=workers.start_report_seconds,
        )
        role, gateways = worker_control_role(ports, self._cluster, settings)
        session = self._member([Role.WORKER_CONTROL], workers.gateway_silence)

        async def serve_gateways() -> None:
            await session.run(gateways.serve)

        return replace(role, background=(Background("gateway", serve_gateways),))

    def _reaper(self) -> ServedRole:
        ports = ReaperPorts(
            membership=self._membership,
            executions=self._executions,
            queue=self._queue,
            commands=self._commands,
            clock=self._clock,
            telemetry=self._telemetry,
        )
        retention = RetentionSettings(executions=micros(self._settings.retention.retention_seconds))
        grace = self._settings.workers.gateway_lease_seconds
        return reaper_role(ports, ReaperOptions(self._cluster.partitions, retention, gateway_grace=grace))

    def _member(self, roles: Iterable[Role], ttl: float) -> MemberSession:
        settings = MemberSettings(frozenset(roles), self._settings.listen.listen, ttl)
        return MemberSession(
            *(self._membership, self._clock, self._ids, self._telemetry, settings, self._agreed),
            hear=self._clock.hear,
        )


def limits(settings: LimitSettings) -> Limits:
    """Return what workflows are validated against."""
    return Limits(
        nodes=settings.max_nodes,
        edges=settings.max_edges,
        id_length=settings.max_id_length,
        config_bytes=settings.max_config_bytes,
        workflow_bytes=settings.max_workflow_bytes,
        input_bytes=settings.max_input_bytes,
        execution_input_bytes=settings.max_execution_input_bytes,
        references=settings.max_references,
        expressions=settings.max_expressions,
        expression_bytes=settings.max_expression_bytes,
        violations=settings.max_violations,
    )


def load_limits(settings: LoadSettings) -> LoadLimits:
    """Return how much may wait before submissions are refused."""
    return LoadLimits(
        partition_commands=settings.max_partition_commands,
        commands=settings.max_commands,
        executions=settings.max_open_executions,
        namespace_tasks=settings.max_namespace_tasks,
    )


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


async def bring_up_to_date(
    settings: Settings, phases: Iterable[str] = ("pre", "post"), time_limit: float = TIME_LIMIT
) -> list[str]:
    """Bring the database to the schema of this code; return what was applied, each in `time_limit` seconds.

    Raises:
        SettingsError: The address is missing.
        StoreUnavailable: PostgreSQL does not answer, or a migration was not done in time.
        ClusterMismatch: The database was changed by newer code.
    """
    return await migrate(postgres_url(settings), phases={*map(Phase, phases)}, time_limit=time_limit)


async def verify(settings: Settings, options: VerifyOptions, log: Iterable[str]) -> Report:
    """Check what the stores hold, and what clients logged before this call, without changing anything.

    Raises:
        SettingsError: An address is missing.
        StoreUnavailable: PostgreSQL or Redis does not answer.
    """
    async with (
        open_pool(postgres_url(settings), maximum=_VERIFY_CONNECTIONS) as pool,
        connect(redis_url(settings)) as redis,
    ):
        compiler, largest = CelExpressionEngine().compile, settings.limits.max_input_bytes
        graphs = GraphCache(PostgresWorkflowStore(pool), compiler, maximum_input_bytes=largest)
        ports = VerifyPorts(
            audit=PostgresAuditStore(pool),
            transport=RedisTransportAudit(redis),
            executions=PostgresExecutionStore(pool),
            histories=PostgresHistoryStore(pool),
            graphs=graphs,
            clock=SystemClock(),
        )
        return await Verify(ports, options).run(log)


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
