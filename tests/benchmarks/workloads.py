"""What is measured: graphs, and how they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.acceptance import wfformat

Graph = dict[str, Any]

HANDLER = "bench/step"
FAILING = "bench/fail"
SIZED = "bench/bytes/"


@dataclass(frozen=True)
class Workload:
    """A load.

    Attributes:
        name: What results call it.
        title: What it is, in a few words.
        graphs: The workflows, run in turn.
        count: Executions in a run.
        concurrency: How many at once over all clients.
        style: See `client_process.Job`.
        clients: How many client processes share it.
        timers: Executions that wait on a timer meanwhile.
        watchers: Who watch one of those each.
    """

    name: str
    title: str
    graphs: tuple[Graph, ...]
    count: int
    concurrency: int
    style: str = "result"
    clients: int = 2
    timers: int = 0
    watchers: int = 0

    def steps_of(self, count: int) -> int:
        """Return how many handlers so many executions call."""
        sizes = [len(graph["dag"]["nodes"]) for graph in self.graphs]
        return sum(sizes[number % len(sizes)] for number in range(count))

    @property
    def handlers(self) -> frozenset[str]:
        """The handlers that its workers need."""
        own = {node["handler"] for graph in self.graphs for node in graph["dag"]["nodes"]}
        return frozenset(own | ({FAILING} if self.timers else set()))


def chain(length: int, handler: str = HANDLER) -> Graph:
    """Nodes that follow one another."""
    nodes = [
        _node(f"n{each}", *([f"n{each - 1}"] if each else []), handler=handler) for each in range(length)
    ]
    return _graph(f"chain-{length}", nodes)


def passing(length: int, size: int) -> Graph:
    """A chain in which each node is given what the one before returned, so many bytes."""
    graph = chain(length, f"{SIZED}{size}")
    for node in graph["dag"]["nodes"][1:]:
        node["config"] = {"d": f"{{{{ {node['dependencies'][0]}.output.d }}}}"}
    return {**graph, "name": f"passing-{length}"}


def waiting() -> Graph:
    """One node that fails at once and is tried again after a day."""
    policy = {
        "initial_interval": "86400s",
        "maximum_interval": "86400s",
        "maximum_attempts": 2,
        "jitter": "JITTER_NONE",
    }
    return _graph("waiting", [{**_node("n0", handler=FAILING), "retry_policy": policy}])


def fan(width: int) -> Graph:
    """One node, then `width` beside each other, then one."""
    middle = [f"m{each}" for each in range(width)]
    nodes = [_node("first"), *(_node(each, "first") for each in middle), _node("last", *middle)]
    return _graph(f"fan-{width}", nodes)


def real_graphs() -> tuple[Graph, ...]:
    """Production graphs where they are at hand, else generated ones of such shapes and sizes."""
    found = [wfformat.convert(path).to_dict() for path in wfformat.instances()]
    if found:
        return tuple({**graph, "name": f"real-{number}"} for number, graph in enumerate(found))
    return (fan(10), fan(40), fan(100), chain(20), layers(4, 12), layers(8, 25), layers(12, 50))


def layers(depth: int, width: int) -> Graph:
    """Layers of nodes, each with two parents in the layer above."""
    nodes = [_node(f"l0_{at}") for at in range(width)]
    for level in range(1, depth):
        for at in range(width):
            above = {f"l{level - 1}_{at}", f"l{level - 1}_{(at + 1) % width}"}
            nodes.append(_node(f"l{level}_{at}", *sorted(above)))
    return _graph(f"layers-{depth}x{width}", nodes)


def _node(name: str, *parents: str, handler: str = HANDLER) -> Graph:
    return {"id": name, "handler": handler, "dependencies": list(parents), "config": {}}


def _graph(name: str, nodes: list[Graph]) -> Graph:
    return {"name": name, "dag": {"nodes": nodes}}


_MAKERS: Mapping[str, Callable[[], Workload]] = {
    "W1": lambda: Workload("W1", "1 step, unary, results awaited", (chain(1),), 3_000, 64),
    "W1-submit": lambda: Workload("W1-submit", "1 step, unary", (chain(1),), 5_000, 64, "submit"),
    "W1-bulk": lambda: Workload("W1-bulk", "1 step, in bulk", (chain(1),), 20_000, 4, "bulk"),
    "W2": lambda: Workload("W2", "chain of 10, 64 at once", (chain(10),), 1_500, 64),
    "W2-bulk": lambda: Workload("W2-bulk", "chain of 10, in bulk", (chain(10),), 3_000, 2, "bulk"),
    "W3": lambda: Workload("W3", "1 to 100 to 1, 8 at once", (fan(100),), 200, 8),
    "W4": lambda: Workload("W4", "chain of 10, one at a time", (chain(10),), 100, 1, clients=1),
    "W5": lambda: Workload("W5", "one graph of 10,000", (fan(9_998),), 1, 1, clients=1),
    "W5-large": lambda: Workload("W5-large", "one graph of 100,000", (fan(99_998),), 1, 1, clients=1),
    "W6": lambda: Workload("W6", "production graphs, 16 at once", real_graphs(), 70, 16),
    "W7": lambda: Workload(
        "W7",
        "W2 watched, beside 10,000 timers and 936 watchers",
        (chain(10),),
        *(1_500, 64, "watch"),
        timers=10_000,
        watchers=936,
    ),
}

ALL = tuple(_MAKERS)


def workload(name: str) -> Workload:
    """Make a workload by its name."""
    return _MAKERS[name]()
