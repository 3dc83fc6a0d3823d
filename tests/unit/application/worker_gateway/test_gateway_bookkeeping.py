"""Whatever workers, owners and time do: credits bind, and no task is forgotten or ended twice."""

from __future__ import annotations

from collections import Counter
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from flowmesh_core.application.worker_gateway.attachment import Connection
from flowmesh_core.application.worker_gateway.decisions import Purpose
from flowmesh_core.application.worker_gateway.outcome import Completed, Outcome, Stopped, TaskReport, Yielded
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.command_log import CommandEnvelope
from flowmesh_core.ports.outbox import CancelNotice, Reply
from flowmesh_core.ports.task_queue import QueueName, TakenTask
from tests.unit.application.worker_gateway.gateway_parts import (
    Parts,
    RecordedChannel,
    queued,
    taken,
    task_queue,
)

HANDLERS = ("x", "y", "z")
offers = st.sets(st.sampled_from(HANDLERS), min_size=1)
outcomes = st.sampled_from([Completed(NULL), Stopped(), Yielded()])


class Bookkeeping(RuleBasedStateMachine):
    connections = Bundle("connections")

    def __init__(self) -> None:
        super().__init__()
        self.parts = Parts()
        self.numbers = count(1)
        self.waiting: list[TakenTask] = []
        self.taken: dict[str, TakenTask] = {}
        self.granted: Counter[RecordedChannel] = Counter()
        self.channels: dict[Connection, RecordedChannel] = {}
        self.ends: Counter[str] = Counter()
        self.ends_while_held: Counter[str] = Counter()
        self.undecided: dict[str, CommandEnvelope] = {}
        self.removed: set[str] = set()

    @rule(target=connections, worker=st.sampled_from(["w1", "w2", "w3"]), offer=offers)
    def connect(self, worker: str, offer: set[str]) -> Connection:
        connection, channel = self.parts.connect(worker, *sorted(offer))
        self.channels[connection] = channel
        return connection

    @rule(target=connections, former=consumes(connections), data=st.data())
    def reconnect(self, former: Connection, data: st.DataObject) -> Connection:
        session = former.session
        held = [token for token in session.held if data.draw(st.booleans())]
        connection, channel = self.parts.connect(
            session.worker_id,
            *sorted(session.offer.handlers or ()),
            session_id=session.session_id,
            held=held,
        )
        self.channels[connection] = channel
        return connection

    @rule(connection=connections)
    def disconnect(self, connection: Connection) -> None:
        self.parts.attachments.detach(connection)

    @rule(connection=connections, more=st.integers(1, 5))
    def grant(self, connection: Connection, more: int) -> None:
        self.parts.desk.demands.grant(connection.demand, more)
        self.granted[self.channels[connection]] += more

    @rule(connection=connections, leaves=st.booleans(), congested=st.booleans())
    def read_slowly(self, connection: Connection, leaves: bool, congested: bool) -> None:
        channel = self.channels[connection]
        channel.leaves_at_once, channel.is_congested = leaves, congested
        if leaves:
            channel.waiting.clear()

    @rule(connection=connections)
    def drain(self, connection: Connection) -> None:
        self.parts.desk.demands.remove(connection.demand)

    @rule(handler=st.sampled_from(HANDLERS), number=st.integers(1, 8))
    def queue(self, handler: str, number: int) -> None:
        for _ in range(number):
            entry = f"{next(self.numbers)}-0"
            self.waiting.append(taken(queued(f"n{entry[:-2]}", handler), entry))
        self.parts.desk.demands.arrived([QueueName("default", handler)])

    @rule(data=st.data())
    def dispatch(self, data: st.DataObject) -> None:
        """Take once; before the answer comes, workers may go."""
        take = self.parts.desk.demands.next_take(data.draw(st.integers(1, 10)))
        if take is None:
            return
        found = [task for task in self.waiting if task_queue(task) in take.queues]
        found.sort(key=lambda task: take.queues.index(task_queue(task)))
        del found[take.limit :]
        for connection in list(self.parts.attachments.connections):
            if data.draw(st.booleans()) and data.draw(st.booleans()):
                self.parts.attachments.detach(connection)
        self.waiting = [task for task in self.waiting if task not in found]
        self.taken |= {task.entry.entry_id: task for task in found}
        self.parts.assigning.assign(take, found)

    @rule(connection=connections, outcome=outcomes, data=st.data())
    def report(self, connection: Connection, outcome: Outcome, data: st.DataObject) -> None:
        tokens = [each.token for each in self.channels[connection].assigned]
        if tokens:
            token = data.draw(st.sampled_from(tokens))
            self.parts.reporting.report(connection.session, [TaskReport(token, outcome, None)])

    @rule(connection=connections, data=st.data())
    def beat(self, connection: Connection, data: st.DataObject) -> None:
        named = [token for token in connection.session.held if data.draw(st.booleans())]
        answer = self.parts.beating.beat(connection.session, named, [])
        assert not answer.lost

    @rule(seconds=st.sampled_from([0.05, 0.2, 3.0, 31.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.parts.pass_time(seconds)

    @rule(number=st.integers(1, 30))
    def cancel(self, number: int) -> None:
        self.parts.reporting.cancel([CancelNotice(ExecutionKey("default", "run"), f"n{number}", 1)])

    @rule()
    def send(self) -> None:
        for undecided in self.parts.sent():
            envelope = undecided.envelope
            self.undecided[envelope.correlation_id] = envelope
            if undecided.purpose is Purpose.START:
                continue
            assert envelope.queue_entry is not None
            self.ends[envelope.queue_entry.entry_id] += 1
            if undecided.purpose is Purpose.RULING or undecided.held is not None:
                self.ends_while_held[envelope.queue_entry.entry_id] += 1

    @rule(data=st.data(), verdict=st.sampled_from(list(Verdict)))
    def decide(self, data: st.DataObject, verdict: Verdict) -> None:
        if self.undecided:
            chosen = data.draw(st.sampled_from(sorted(self.undecided)))
            del self.undecided[chosen]
            self.parts.reporting.resolve([Reply(chosen, verdict, None)])
        entries, _ = self.parts.desk.errands.take_all()
        self.removed |= {entry.entry_id for entry in entries}

    @invariant()
    def nobody_gets_more_than_granted(self) -> None:
        for channel in self.channels.values():
            assert len(channel.assigned) <= self.granted[channel]

    @invariant()
    def every_taken_task_is_held_or_ended(self) -> None:
        self.send()
        entries, _ = self.parts.desk.errands.take_all()
        self.removed |= {entry.entry_id for entry in entries}
        held = Counter(task.claims.entry_id for task in self.parts.desk.held_tasks)
        for entry_id in self.taken:
            gone = self.ends[entry_id] > 0 or entry_id in self.removed
            assert held[entry_id] == 1 or gone, entry_id
        assert max(held.values(), default=0) <= 1

    @invariant()
    def sessions_and_tasks_agree(self) -> None:
        for task in self.parts.desk.held_tasks:
            assert task.session.held[task.token] is task
            assert not task.ended
            assert not task.session.ended or task.reported

    @invariant()
    def a_held_task_ends_once(self) -> None:
        """By a report of its worker or by a ruling of the gateway, never by both."""
        assert max(self.ends_while_held.values(), default=0) <= 1


Bookkeeping.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBookkeeping = Bookkeeping.TestCase
