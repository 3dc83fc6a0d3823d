"""Who can take tasks from which queues, and how they are shared out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from flowmesh_core.application.worker_gateway.session import Channel, Offer, WorkerSession
from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.task_queue import QueueName, TakenTask

QUEUES_PER_TAKE = 64


@dataclass(slots=True, eq=False)
class Demand:
    """Room for tasks: a stream's credits, or a waiting poll's."""

    session: WorkerSession
    offer: Offer
    channel: Channel
    credits: int = 0


@dataclass(slots=True, eq=False)
class OfferGroup:
    """All demands with the same offer: what is taken for one of them suits each.

    Attributes:
        offer: The offer they share.
        members: The demands.
        open: Those with credits; the first is served next.
        ready: The handlers whose queues may hold tasks; the first is looked at next.
    """

    offer: Offer
    members: dict[Demand, None] = field(default_factory=dict)
    open: dict[Demand, None] = field(default_factory=dict)
    ready: dict[str, None] = field(default_factory=dict)

    def runs(self, entry: QueueEntry) -> bool:
        """Say whether a task is for the workers of this group."""
        return entry.namespace == self.offer.namespace and self.offer.covers(entry.handler)

    def room(self) -> int:
        """Return how many tasks the group can take now."""
        return sum(demand.credits for demand in self.open if not demand.channel.is_congested)

    def share(self, count: int) -> Iterator[tuple[Demand, int]]:
        """Use up credits for `count` tasks, or for as many as there is room for, evenly and in turn."""
        while count > 0:
            able = [demand for demand in self.open if not demand.channel.is_congested]
            if not able:
                return
            part = -(-count // len(able))
            for demand in able[: -(-count // part)]:
                given = min(part, demand.credits, count)
                self._use(demand, given)
                count -= given
                yield demand, given

    def _use(self, demand: Demand, count: int) -> None:
        demand.credits -= count
        del self.open[demand]
        if demand.credits:
            self.open[demand] = None


@dataclass(frozen=True, slots=True)
class Take:
    """What to take from the task queue, and for whom."""

    group: OfferGroup
    queues: tuple[QueueName, ...]
    limit: int


class Demands:
    """All the room that the workers of a gateway have.

    Attributes:
        wake: Set when there may be something to take.
        group_added: Set when workers came whose queues nobody looked at yet.
        namespaces_changed: Set when `namespaces` may have changed.
    """

    def __init__(self) -> None:
        """Start without workers."""
        self.wake = asyncio.Event()
        self.group_added = asyncio.Event()
        self.namespaces_changed = asyncio.Event()
        self._groups: dict[Offer, OfferGroup] = {}

    def namespaces(self) -> frozenset[str]:
        """Return the namespaces that workers are connected for."""
        return frozenset(offer.namespace for offer in self._groups)

    def hungry_namespaces(self) -> frozenset[str]:
        """Return the namespaces in which a worker has room."""
        return frozenset(offer.namespace for offer, group in self._groups.items() if group.open)

    def add(self, demand: Demand) -> None:
        """Count a demand in."""
        offer = demand.offer
        group = self._groups.get(offer)
        if group is None:
            group = self._groups[offer] = OfferGroup(offer)
            self.group_added.set()
            self.namespaces_changed.set()
        group.members[demand] = None
        if demand.credits:
            group.open[demand] = None
            self.wake.set()

    def remove(self, demand: Demand) -> None:
        """Count a demand out; its credits are void. Safe to repeat."""
        demand.credits = 0
        group = self._groups.get(demand.offer)
        if group is None:
            return
        group.members.pop(demand, None)
        group.open.pop(demand, None)
        if not group.members:
            del self._groups[group.offer]
            self.namespaces_changed.set()

    def grant(self, demand: Demand, more: int) -> None:
        """Add credits; a demand that was counted out gets none."""
        group = self._groups.get(demand.offer)
        if group is None or demand not in group.members:
            return
        demand.credits += more
        group.open[demand] = None
        self.wake.set()

    def arrived(self, queues: Iterable[QueueName]) -> None:
        """Note queues that may hold tasks."""
        for queue in queues:
            for offer, group in self._groups.items():
                if offer.namespace == queue.namespace and offer.covers(queue.handler):
                    group.ready[queue.handler] = None
                    self.wake.set()

    def next_take(self, limit: int) -> Take | None:
        """Return what to take next, or None when nobody has room or no queue may hold anything.

        Its queues count as empty from now on: `settle` says which are not.
        """
        for group in self._groups.values():
            room = group.room() if group.ready else 0
            if room:
                self._move_to_end(group)
                handlers = [handler for handler, _ in zip(group.ready, range(QUEUES_PER_TAKE), strict=False)]
                for handler in handlers:
                    del group.ready[handler]
                queues = tuple(QueueName(group.offer.namespace, handler) for handler in handlers)
                return Take(group, queues, min(room, limit))
        return None

    def settle(self, take: Take, taken: int, last: QueueName | None) -> None:
        """Note that a take gave `taken` tasks, the last of them from `last`.

        A full one may have left some behind, in `last` or after it. The others
        get their turn before `last` does. One that was filled by what an earlier
        take was cut off from did not get to its own queues.
        """
        if taken < take.limit or last is None:
            return
        if last not in take.queues:
            self.arrived((*take.queues, last))
            return
        at = take.queues.index(last)
        self.arrived((*take.queues[at + 1 :], last))

    def unsettle(self, take: Take) -> None:
        """Note that a take failed."""
        self.arrived(take.queues)

    def place(self, task: TakenTask, preferred: OfferGroup) -> Demand | None:
        """Use a credit for one task, of whatever worker runs it; None when there is none."""
        for group in (preferred, *self._groups.values()):
            if group.runs(task.entry):
                for demand, _ in group.share(1):
                    return demand
        return None

    def _move_to_end(self, group: OfferGroup) -> None:
        self._groups[group.offer] = self._groups.pop(group.offer)
