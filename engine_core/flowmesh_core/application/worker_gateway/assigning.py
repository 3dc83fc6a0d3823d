"""Handing taken tasks to workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowmesh_core.application.worker_gateway.decisions import Purpose
from flowmesh_core.application.worker_gateway.demand import Demand, Take
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.session import Assignment
from flowmesh_core.application.worker_gateway.task_span import begin_task
from flowmesh_core.application.worker_gateway.task_token import TaskClaims
from flowmesh_core.domain.commands import LoseTask
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.time import SECOND, Micros, after
from flowmesh_core.ports.task_queue import QueueName, TakenTask


class Assigning:
    """Gives each taken task to a worker with a credit for it, or back to its owner."""

    def __init__(self, desk: Desk) -> None:
        """Work on the gateway's state."""
        self._desk = desk

    def assign(self, take: Take, taken: Sequence[TakenTask]) -> None:
        """Hand out what a take gave.

        Workers may have gone in the meantime, and a take gives first what an
        earlier one was cut off from, for whatever workers that was. What the
        group has no use for goes to others, and what nobody has room for goes back.
        """
        last = QueueName(taken[-1].entry.namespace, taken[-1].entry.handler) if taken else None
        self._desk.demands.settle(take, len(taken), last)
        self._measure(taken)
        fresh = [task for task in taken if not self._is_copy(task)]
        suited = [task for task in fresh if take.group.runs(task.entry)]
        given = 0
        for demand, count in take.group.share(len(suited)):
            self._give(demand, suited[given : given + count])
            given += count
        strays = [task for task in fresh if not take.group.runs(task.entry)]
        for task in (*suited[given:], *strays):
            self._place(task, take)

    def give_back(self, task: TakenTask) -> None:
        """Return a task that nobody holds to its owner."""
        claims = self._claims(task, "", Micros(0))
        command = LoseTask(*claims.identity, LostCause.YIELDED)
        self._desk.decisions.ask(command, claims, Purpose.RULING, b"")

    def _measure(self, taken: Sequence[TakenTask]) -> None:
        if taken:
            now = self._desk.clock.now()
            self._desk.telemetry.count("flowmesh.tasks.taken", len(taken))
            for each in taken:
                waited = max(0, now - each.task.scheduled_at)
                self._desk.telemetry.measure("flowmesh.tasks.queue.duration", waited / SECOND)

    def _is_copy(self, taken: TakenTask) -> bool:
        """Drop a second entry of an attempt that is held here: owners may queue one twice."""
        task = taken.task
        held = self._desk.find_attempt((task.key, task.node_id, task.attempt))
        if held is None:
            return False
        if held.claims.queue_entry != taken.entry:
            self._desk.errands.remove(taken.entry)
        return True

    def _place(self, task: TakenTask, take: Take) -> None:
        demand = self._desk.demands.place(task, take.group)
        if demand is None:
            self.give_back(task)
        else:
            self._give(demand, [task])

    def _give(self, demand: Demand, tasks: Sequence[TakenTask]) -> None:
        desk, session = self._desk, demand.session
        now = desk.clock.now()
        assignments: list[Assignment] = []
        for taken in tasks:
            deadline = after(now, taken.task.start_to_close)
            claims = self._claims(taken, session.worker_id, deadline)
            token = desk.tokens.seal(claims)
            task, span = taken.task, begin_task(desk.telemetry, taken.task)
            if span is not None:
                task = replace(task, traceparent=span.traceparent)
            desk.hold(token, claims, session, start_in=desk.settings.start_report_delay, span=span)
            assignments.append(Assignment(token, deadline, task))
        demand.channel.assign(assignments)

    def _claims(self, taken: TakenTask, worker_id: str, deadline: Micros) -> TaskClaims:
        task = taken.task
        return TaskClaims(
            task.key,
            task.node_id,
            task.attempt,
            taken.entry.handler,
            taken.entry.entry_id,
            self._desk.gateway_id,
            worker_id,
            deadline,
            task.heartbeat or Micros(0),
        )
