"""Nodes in a row."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import islice


class NodeQueue:
    """A queue of node indexes, first in, first out.

    Unlike a `deque` it takes next to nothing while it is empty, which it is in
    each of the many executions that wait for something.
    """

    __slots__ = ("_first", "_nodes")

    def __init__(self) -> None:
        """Start empty."""
        self._nodes = array("I")
        self._first = 0

    def __len__(self) -> int:
        return len(self._nodes) - self._first

    def __iter__(self) -> Iterator[int]:
        return islice(self._nodes, self._first, None)

    def append(self, node: int) -> None:
        """Put a node at the end."""
        self._nodes.append(node)

    def extend(self, nodes: Iterable[int]) -> None:
        """Put nodes at the end, in this order."""
        self._nodes.extend(nodes)

    def first(self) -> int:
        """Return the node at the front, which must exist."""
        return self._nodes[self._first]

    def pop_first(self) -> None:
        """Take out the node at the front, which must exist."""
        self._first += 1
        if 2 * self._first >= len(
            self._nodes
        ):  # so a node is moved less than once for each that is taken out
            del self._nodes[: self._first]
            self._first = 0
