"""What an owner may be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OwnerSettings:
    """The measures of an owner.

    Attributes:
        partitions: How many partitions the cluster has.
        window: How many attempts one execution may have in flight.
        batch: How many commands of one partition are decided at once, at most.
        turn: How many commands are decided at once when many partitions are busy:
            the loop does nothing else meanwhile.
        batch_bytes: How much user data one append carries, at most.
        receive_wait: The longest wait for a command, in seconds.
        rest: The longest rest between batches, in seconds.
        reconcile_interval: How often it is looked which partitions the store says are owned,
            in seconds, beside the times when something changed or failed.
        gateway_grace: How many seconds an owner that has just become one takes no
            gateway for dead. After an outage of the store all members come back
            under new ids, and workers bring their tasks along.
        graph_patience: How many seconds a batch waits for a graph to be planned; a
            larger one goes on being planned, and its commands come later.
        graph_look: How often it is looked whether it is, in seconds.
        takeover_partitions: How many partitions are loaded at once.
        takeover_executions: How many histories are read in one query.
        lost_tasks_interval: How often it is looked whether waiting tasks are still
            in their queues, in seconds; lost ones are found at the third look.
    """

    partitions: int
    window: int = 5_000
    batch: int = 256
    turn: int = 2_048
    batch_bytes: int = 16 * 1024 * 1024
    receive_wait: float = 1.0
    rest: float = 0.003
    reconcile_interval: float = 5.0
    gateway_grace: float = 0.0
    graph_patience: float = 0.2
    graph_look: float = 0.05
    takeover_partitions: int = 64
    takeover_executions: int = 250
    lost_tasks_interval: float = 4.0
