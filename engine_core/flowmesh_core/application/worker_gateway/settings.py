"""What a gateway allows and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Times are in seconds.

    Attributes:
        lease_ttl: How long tasks stay held without a word from the worker.
        beat_interval: How often a worker has to beat.
        maximum_output_bytes: The largest output of a task.
        start_report_delay: A task still held after this is reported as running,
            so that short tasks write no `NodeStarted`.
        look_interval: How often queues are looked at that nobody announced.
        take_limit: At most this many tasks are taken at once.
        resend_after: A command without an answer is sent again after this.
        resend_limit: At most this many commands are sent again per second.
        maximum_undecided: With this many commands unanswered, reports wait.
        decision_wait: How long a unary report waits for its decision, and a stream's to be taken.
        forward_wait: How long a heartbeat waits for another gateway's answer.
        presence_interval: How often the list of workers is published anew.
        presence_ttl: How long a published list holds.
        presence_delay: Changes this close together are published as one.
        go_away_within: Over how long workers spread their reconnects when a gateway stops.
        shutdown_grace: How long a stopping gateway waits for its workers to go.
    """

    lease_ttl: float = 30.0
    beat_interval: float = 5.0
    maximum_output_bytes: int = 2 * 1024 * 1024
    start_report_delay: float = 0.1
    look_interval: float = 5.0
    take_limit: int = 500
    resend_after: float = 2.0
    resend_limit: int = 500
    maximum_undecided: int = 100_000
    decision_wait: float = 10.0
    forward_wait: float = 2.0
    presence_interval: float = 5.0
    presence_ttl: float = 15.0
    presence_delay: float = 0.05
    go_away_within: float = 1.0
    shutdown_grace: float = 5.0
