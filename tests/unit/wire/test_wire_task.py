from __future__ import annotations

from flowmesh.v1 import task_pb2
from flowmesh_core.application.worker_gateway.outcome import Failed
from flowmesh_core.domain.limits import Limits
from flowmesh_services.wire.task import report_from_proto


def test_a_retry_that_nobody_would_live_to_see_comes_within_the_longest_interval() -> None:
    message = task_pb2.TaskReport(task_token=b"t")
    message.failure.failure.error_type = "Busy"
    message.failure.next_retry_delay.FromSeconds(300_000_000_000)
    outcome = report_from_proto(message, maximum_bytes=1).outcome
    assert isinstance(outcome, Failed)
    assert outcome.next_retry_delay == Limits().retry_interval
