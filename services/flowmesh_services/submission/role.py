"""What serves the submission role, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmesh.v1 import submission_service_pb2_grpc as pb_grpc
from flowmesh_core.application.execution_intake import ExecutionIntake, IntakeLimits
from flowmesh_core.application.get_workflow import GetWorkflow
from flowmesh_core.application.list_workflows import ListWorkflows
from flowmesh_core.application.overload_guard import LoadLimits, OverloadGuard
from flowmesh_core.application.rate_limit import SubmissionRateLimit, SubmissionRates
from flowmesh_core.application.register_workflow import RegisterWorkflow
from flowmesh_core.application.start_sender import StartSender
from flowmesh_core.application.submission import SubmissionPreparer
from flowmesh_core.application.submit_workflow import SubmitWorkflow
from flowmesh_core.application.submit_workflows import SubmitWorkflows
from flowmesh_core.application.validate_workflow import ValidateWorkflow
from flowmesh_core.application.workflow_checker import WorkflowChecker
from flowmesh_core.domain.limits import Limits
from flowmesh_services.runtime.role import Background, ServedRole, Service
from flowmesh_services.submission.servicer import SubmissionServicer, SubmissionUseCases

if TYPE_CHECKING:
    import grpc

    from flowmesh_core.domain.expressions import CompileExpression
    from flowmesh_core.ports.clock import Clock
    from flowmesh_core.ports.command_log import CommandLog
    from flowmesh_core.ports.execution_store import ExecutionStore
    from flowmesh_core.ports.id_source import IdSource
    from flowmesh_core.ports.load_gauge import LoadGauge
    from flowmesh_core.ports.rate_limiter import RateLimiter
    from flowmesh_core.ports.telemetry import Telemetry
    from flowmesh_core.ports.workflow_store import WorkflowStore

SERVICE = "flowmesh.v1.SubmissionService"


@dataclass(frozen=True, slots=True)
class SubmissionPorts:
    """What taking workflows in needs from the world."""

    executions: ExecutionStore
    workflows: WorkflowStore
    commands: CommandLog
    rate_limiter: RateLimiter
    load: LoadGauge
    ids: IdSource
    clock: Clock
    telemetry: Telemetry
    compile_expression: CompileExpression


@dataclass(frozen=True, slots=True)
class SubmissionOptions:
    """What submissions are held to.

    Attributes:
        partitions: Over how many partitions the cluster spreads executions.
        limits: How large a workflow may be.
        rates: How many submissions are admitted.
        load: How much accepted work may wait.
        intake: How they are gathered into statements.
    """

    partitions: int
    limits: Limits = Limits()
    rates: SubmissionRates = SubmissionRates()
    load: LoadLimits = LoadLimits()
    intake: IntakeLimits = IntakeLimits()


def submission_role(ports: SubmissionPorts, options: SubmissionOptions) -> ServedRole:
    """Return the role, ready to be served."""
    starts = StartSender(ports.commands, ports.telemetry)
    guard = OverloadGuard(ports.load, ports.clock, ports.telemetry, options.partitions, options.load)
    intake = ExecutionIntake(ports.executions, starts, ports.telemetry, options.intake)
    use_cases = _use_cases(ports, options, guard, intake)
    servicer = SubmissionServicer(use_cases, options.limits.execution_input_bytes)

    def register(server: grpc.aio.Server) -> None:
        pb_grpc.add_SubmissionServiceServicer_to_server(servicer, server)

    return ServedRole(
        "submission",
        services=(Service(SERVICE, register),),
        background=(
            Background("submission intake", intake.run),
            Background("start commands", starts.run),
            Background("load of the cluster", guard.run),
        ),
    )


def _use_cases(
    ports: SubmissionPorts, options: SubmissionOptions, guard: OverloadGuard, intake: ExecutionIntake
) -> SubmissionUseCases:
    rate_limit = SubmissionRateLimit(ports.rate_limiter, ports.clock, ports.telemetry, options.rates)
    checker = WorkflowChecker(options.limits, ports.compile_expression)
    preparer = SubmissionPreparer(checker, ports.workflows, ports.ids, ports.clock, options.partitions)
    return SubmissionUseCases(
        validate_workflow=ValidateWorkflow(rate_limit, checker),
        register_workflow=RegisterWorkflow(rate_limit, checker, ports.workflows, ports.clock),
        submit_workflow=SubmitWorkflow(rate_limit, preparer, guard, intake),
        submit_workflows=SubmitWorkflows(rate_limit, preparer, guard, intake),
        get_workflow=GetWorkflow(ports.workflows),
        list_workflows=ListWorkflows(ports.workflows),
    )
