"""Order and cycles of a graph given as the parents of each node, by index."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

Parents = Sequence[Sequence[int]]


def topological_order(parents: Parents) -> list[int]:
    """Return the nodes with parents first; those in or below a cycle are left out."""
    waiting = [len(its_parents) for its_parents in parents]
    children = _children(parents)
    order = [node for node, count in enumerate(waiting) if not count]
    for node in order:  # grows while it runs
        for child in children[node]:
            waiting[child] -= 1
            if not waiting[child]:
                order.append(child)
    return order


def find_cycles(parents: Parents, order: Sequence[int]) -> Iterator[list[int]]:
    """Yield one shortest cycle through the first node of each cyclic component.

    A cycle begins with that node and follows the flow, parents first. `order`
    is what `topological_order` made of these parents.
    """
    left = set(range(len(parents))).difference(order)
    component = _components(parents, left)
    done: set[int] = set()
    for node in sorted(left):
        if component[node] not in done:
            cycle = _shortest_cycle(parents, node, component)
            if cycle:
                done.add(component[node])
                yield cycle


def _children(parents: Parents) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in parents]
    for node, its_parents in enumerate(parents):
        for parent in its_parents:
            children[parent].append(node)
    return children


def _shortest_cycle(parents: Parents, start: int, component: dict[int, int]) -> list[int]:
    """Search against the flow from `start` until one of its children is met."""
    came_from: dict[int, int] = {start: start}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for parent in parents[node]:
            if parent == start:
                return [start, *_walk(came_from, node, start)]
            if component.get(parent) == component[start] and parent not in came_from:
                came_from[parent] = node
                queue.append(parent)
    return []


def _walk(came_from: dict[int, int], node: int, end: int) -> Iterator[int]:
    while node != end:
        yield node
        node = came_from[node]


def _components(parents: Parents, nodes: set[int]) -> dict[int, int]:
    """Return a number for each node, equal for nodes that reach each other.

    Kosaraju's algorithm without recursion: nodes in the order in which a first
    search leaves them, then a second search the other way.
    """
    inner = {node: [parent for parent in parents[node] if parent in nodes] for node in nodes}
    outer: dict[int, list[int]] = {node: [] for node in nodes}
    for node, its_parents in inner.items():
        for parent in its_parents:
            outer[parent].append(node)
    component: dict[int, int] = {}
    for root in reversed(_leaving_order(inner)):
        if root in component:
            continue
        pending = [root]
        while pending:
            node = pending.pop()
            if node not in component:
                component[node] = root
                pending.extend(outer[node])
    return component


def _leaving_order(neighbours: dict[int, list[int]]) -> list[int]:
    left: list[int] = []
    entered: set[int] = set()
    for root, its_neighbours in neighbours.items():
        path = [] if root in entered else [(root, iter(its_neighbours))]
        entered.add(root)
        while path:
            node, rest = path[-1]
            following = next((each for each in rest if each not in entered), None)
            if following is None:
                left.append(node)
                path.pop()
            else:
                entered.add(following)
                path.append((following, iter(neighbours[following])))
    return left
