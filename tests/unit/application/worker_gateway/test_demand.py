from __future__ import annotations

from collections import Counter

from flowmesh_core.application.worker_gateway.assigning import Assigning
from flowmesh_core.domain.commands import LoseTask
from flowmesh_core.domain.states import LostCause
from flowmesh_core.ports.task_queue import QueueName, TakenTask
from tests.unit.application.worker_gateway.gateway_parts import Parts, queued, taken


def some(number: int, handler: str = "work") -> list[TakenTask]:
    return [taken(queued(f"{handler}{n}", handler), f"{handler}-{n}") for n in range(number)]


def test_workers_with_the_same_offer_get_equal_parts() -> None:
    parts = Parts()
    channels = [parts.connect(f"w{n}", credits=50)[1] for n in range(4)]
    parts.hand_out(*some(100))
    assert [len(channel.assigned) for channel in channels] == [25, 25, 25, 25]


def test_a_worker_with_few_credits_leaves_the_rest_to_others() -> None:
    parts = Parts()
    channels = [parts.connect(f"w{n}", credits=room)[1] for n, room in enumerate((2, 60, 60))]
    parts.hand_out(*some(62))
    assert [len(channel.assigned) for channel in channels] == [2, 30, 30]


def test_single_tasks_go_round() -> None:
    parts = Parts()
    channels = [parts.connect(f"w{n}", credits=10)[1] for n in range(3)]
    for one in some(9):
        parts.hand_out(one)
    assert [len(channel.assigned) for channel in channels] == [3, 3, 3]


def test_nothing_is_taken_for_handlers_whose_workers_have_no_room() -> None:
    parts = Parts()
    parts.connect("w1", "x", credits=1)
    parts.connect("w2", "y")
    parts.desk.demands.arrived([QueueName("default", "y"), QueueName("default", "x")])
    take = parts.desk.demands.next_take(500)
    assert take is not None
    assert (take.queues, take.limit) == ((QueueName("default", "x"),), 1)
    assert parts.desk.demands.next_take(500) is None


def test_other_namespaces_are_no_business_of_a_worker() -> None:
    parts = Parts()
    parts.connect(credits=1)
    parts.desk.demands.arrived([QueueName("other", "work")])
    assert parts.desk.demands.next_take(500) is None


def test_a_full_take_is_followed_by_another_that_begins_with_the_others() -> None:
    parts = Parts()
    parts.connect("w1", "x", "y", "z", credits=10)
    names = [QueueName("default", handler) for handler in "xyz"]
    parts.desk.demands.arrived(names)
    take = parts.desk.demands.next_take(2)
    assert take is not None
    assert take.queues == tuple(names)
    parts.desk.demands.settle(take, 2, names[1])
    again = parts.desk.demands.next_take(2)
    assert again is not None
    assert again.queues == (names[2], names[1]), "x was emptied, y comes last"
    parts.desk.demands.settle(again, 1, names[2])
    assert parts.desk.demands.next_take(2) is None


def test_a_task_that_arrives_during_a_take_is_not_overlooked() -> None:
    parts = Parts()
    parts.connect(credits=10)
    queue = QueueName("default", "work")
    parts.desk.demands.arrived([queue])
    take = parts.desk.demands.next_take(500)
    assert take is not None
    parts.desk.demands.arrived([queue])
    parts.desk.demands.settle(take, 0, None)
    assert parts.desk.demands.next_take(500) is not None


def test_at_most_64_queues_are_taken_from_at_once() -> None:
    parts = Parts()
    handlers = [f"h{n:03}" for n in range(150)]
    parts.connect("w1", *handlers, credits=1)
    parts.desk.demands.arrived(QueueName("default", handler) for handler in handlers)
    looked: Counter[str] = Counter()
    while take := parts.desk.demands.next_take(500):
        assert len(take.queues) <= 64
        looked.update(queue.handler for queue in take.queues)
        parts.desk.demands.settle(take, 0, None)
    assert looked == dict.fromkeys(handlers, 1)


def test_a_congested_worker_is_passed_over() -> None:
    parts = Parts()
    _, slow = parts.connect("w1", credits=10)
    _, fast = parts.connect("w2", credits=10)
    slow.is_congested = True
    parts.hand_out(*some(20))
    assert (len(slow.assigned), len(fast.assigned)) == (0, 10)


def test_what_a_lost_worker_would_have_got_goes_to_another() -> None:
    parts = Parts()
    gone, _ = parts.connect("w1", "x", credits=3)
    _, other = parts.connect("w2", "x", "y", credits=2)
    parts.desk.demands.arrived([QueueName("default", "x")])
    take = parts.desk.demands.next_take(500)
    assert take is not None
    assert take.limit == 3
    parts.attachments.detach(gone)
    Assigning(parts.desk).assign(take, some(3, "x"))
    assert [each.task.node_id for each in other.assigned] == ["x0", "x1"]
    assert parts.commands() == [LoseTask(queued().key, "x2", 1, LostCause.YIELDED)]


def test_a_second_entry_of_a_held_attempt_is_removed() -> None:
    parts = Parts()
    _, channel = parts.connect(credits=5)
    parts.hand_out(taken(queued("a"), "1-0"))
    parts.hand_out(taken(queued("a"), "2-0"))
    assert len(channel.assigned) == 1
    entries, _ = parts.desk.errands.take_all()
    assert [entry.entry_id for entry in entries] == ["2-0"]


def test_offers_take_turns() -> None:
    parts = Parts()
    for name in "xyz":
        parts.connect(f"w{name}", name, credits=100)
    names = [QueueName("default", handler) for handler in "xyz"]
    parts.desk.demands.arrived(names)
    served = []
    for _ in range(6):
        take = parts.desk.demands.next_take(1)
        assert take is not None
        parts.desk.demands.settle(take, 1, take.queues[0])
        served.append(take.queues[0].handler)
    assert served == ["x", "y", "z", "x", "y", "z"]


def test_what_an_earlier_take_was_cut_off_from_goes_to_those_it_was_for() -> None:
    parts = Parts()
    _, x_channel = parts.connect("w1", "x", credits=10)
    _, y_channel = parts.connect("w2", "y", credits=1)
    _, other_channel = parts.connect("w3", "x", namespace="other", credits=10)
    parts.desk.demands.arrived([QueueName("default", "y")])
    take = parts.desk.demands.next_take(500)
    assert take is not None
    parts.assigning.assign(take, [taken(queued("a", "x"), "1-0")])
    assert [task.task.handler for task in x_channel.assigned] == ["x"]
    assert y_channel.assigned == other_channel.assigned == []
    looked_at: set[QueueName] = set()
    while again := parts.desk.demands.next_take(500):
        looked_at.update(again.queues)
    assert QueueName("default", "y") in looked_at


def test_what_nobody_else_runs_goes_back_instead_of_to_another_namespace() -> None:
    parts = Parts()
    _, channel = parts.connect("w1", "x", namespace="other", credits=10)
    parts.desk.demands.arrived([QueueName("other", "x")])
    take = parts.desk.demands.next_take(500)
    assert take is not None
    parts.assigning.assign(take, [taken(queued("a", "x"), "1-0")])
    assert channel.assigned == []
    (command,) = parts.commands()
    assert isinstance(command, LoseTask)
    assert command.cause is LostCause.YIELDED


def test_a_task_that_is_found_twice_keeps_its_place_in_the_queue() -> None:
    parts = Parts()
    parts.connect("w1", "x", credits=10)
    task = taken(queued("a", "x"), "1-0")
    copy = taken(queued("a", "x"), "2-0")
    parts.hand_out(task)
    parts.hand_out(task)
    assert not parts.desk.errands.arrived.is_set()
    parts.hand_out(copy)
    assert parts.desk.errands.take_all()[0] == [copy.entry]
