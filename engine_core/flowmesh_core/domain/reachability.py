"""Questions about what lies above a node, for many pairs of nodes at once.

Both functions answer for batches of targets: each target of a batch is one bit
of an integer, and one pass over the graph in topological order carries the
bits along the edges. The work is linear in the graph per batch, and a batch
touches only the stretch of the order between its targets and its nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from flowmesh_core.domain.cycles import Parents

Pair = tuple[int, int]
"""A node, and a target that should be above it."""

_BATCH = 4096


class Reachability:
    """An acyclic graph that answers questions."""

    def __init__(self, parents: Parents, order: Sequence[int]) -> None:
        """Take the parents of each node, and all nodes with parents first."""
        self._parents = parents
        self._order = order
        self._rank = [0] * len(parents)
        for position, node in enumerate(order):
            self._rank[node] = position

    def not_ancestors(self, pairs: Collection[Pair]) -> set[Pair]:
        """Return the pairs whose target is not an ancestor of the node."""
        found: set[Pair] = set()
        for batch in self._batches(pairs):
            found.update(self._not_above(batch))
        return found

    def avoidable(self, pairs: Collection[Pair], conditional: Collection[int]) -> set[Pair]:
        """Return the pairs whose node may be decided to run although the target was skipped.

        The fan-in rule is the default one: a node is skipped if its condition is
        false or all its parents were skipped. Conditions count as independent.
        The target is an ancestor of the node.
        """
        skippable = self._skippable(conditional)
        doubtful = [pair for pair in pairs if skippable[pair[1]]]
        found: set[Pair] = set()
        for batch in self._batches(doubtful):
            found.update(self._avoidable(batch, conditional))
        return found

    def _skippable(self, conditional: Collection[int]) -> list[bool]:
        skippable = [False] * len(self._parents)
        for node in self._order:
            above = self._parents[node]
            skippable[node] = node in conditional or (
                bool(above) and all(skippable[parent] for parent in above)
            )
        return skippable

    def _batches(self, pairs: Collection[Pair]) -> Iterator[_Batch]:
        nodes_of: defaultdict[int, list[int]] = defaultdict(list)
        for node, target in pairs:
            nodes_of[target].append(node)
        rank = self._rank
        targets = sorted(nodes_of, key=rank.__getitem__)
        for start in range(0, len(targets), _BATCH):
            chosen = targets[start : start + _BATCH]
            bit = {target: 1 << number for number, target in enumerate(chosen)}
            asked: defaultdict[int, list[int]] = defaultdict(list)
            for target in chosen:
                for node in nodes_of[target]:
                    asked[node].append(target)
            last = max(rank[node] for node in asked)
            yield _Batch(bit, asked, rank[chosen[0]], rank[chosen[-1]], last)

    def _not_above(self, batch: _Batch) -> Iterator[Pair]:
        above: dict[int, int] = {}
        for node in self._order[batch.first_target : batch.last_node + 1]:
            bits = 0
            for parent in self._parents[node]:
                bits |= above.get(parent, 0)
            yield from batch.missing(node, bits)
            bits |= batch.bit.get(node, 0)
            if bits:
                above[node] = bits
        for node in batch.asked:
            if self._rank[node] < batch.first_target:
                yield from batch.missing(node, 0)

    def _avoidable(self, batch: _Batch, conditional: Collection[int]) -> Iterator[Pair]:
        off, first = self._switched_off(batch, conditional)
        everything = (1 << len(batch.bit)) - 1
        runs: dict[int, int] = {}
        for node in self._order[first : batch.last_node + 1]:
            bits = 0 if self._parents[node] else everything
            for parent in self._parents[node]:
                bits |= runs.get(parent, everything)
            yield from batch.present(node, bits)
            bits &= ~off.get(node, 0)
            if bits != everything:
                runs[node] = bits

    def _switched_off(self, batch: _Batch, conditional: Collection[int]) -> tuple[dict[int, int], int]:
        """Return the least that must not run for each target to be skipped, and where that begins.

        A node with a condition is switched off alone. One without is off when
        all its parents are.
        """
        off = dict(batch.bit)
        first = batch.last_target
        for position in range(batch.last_target, -1, -1):
            node = self._order[position]
            bits = off.get(node, 0)
            if not bits:
                continue
            first = position
            if node not in conditional:
                for parent in self._parents[node]:
                    off[parent] = off.get(parent, 0) | bits
        return off, first


@dataclass(frozen=True, slots=True)
class _Batch:
    """Targets as bits, who asks for them, and the stretch of the order that matters."""

    bit: dict[int, int]
    asked: dict[int, list[int]]
    first_target: int
    last_target: int
    last_node: int

    def missing(self, node: int, bits: int) -> Iterator[Pair]:
        return ((node, target) for target in self.asked.get(node, ()) if not bits & self.bit[target])

    def present(self, node: int, bits: int) -> Iterator[Pair]:
        return ((node, target) for target in self.asked.get(node, ()) if bits & self.bit[target])
