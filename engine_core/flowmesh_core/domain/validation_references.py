"""Whether expressions read only what is certain to be there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from flowmesh_core.domain.cycles import Parents
from flowmesh_core.domain.reachability import Pair, Reachability
from flowmesh_core.domain.references import Expression, node_in_cel
from flowmesh_core.domain.violations import Violations


class _Use(NamedTuple):
    """One node reads another."""

    field: str
    target: str
    is_guarded: bool


class ReferenceChecker:
    """Collects which nodes read which, and judges them when the graph is known to be sound."""

    def __init__(self, index: Mapping[str, int], parents: Parents, violations: Violations) -> None:
        """Judge by these nodes and edges."""
        self._index = index
        self._parents = parents
        self._violations = violations
        self._uses: defaultdict[Pair, list[_Use]] = defaultdict(list)

    def note(self, position: int, field: str, expression: Expression) -> None:
        """Keep what the expression at `field` of the node at `position` reads, if that exists."""
        guarded = {reference.node for reference in expression.references if reference.is_test}
        for name in dict.fromkeys(reference.node for reference in expression.references):
            if name is None:
                continue
            target = self._index.get(name, -1)
            if target < 0:
                words = f"there is no node '{name}'; the input of the execution is `input`"
                self._violations.add(field, words, "UNKNOWN_REFERENCE")
            else:
                self._uses[position, target].append(_Use(field, name, name in guarded))

    def check_ancestors(self, order: Sequence[int], conditional: Collection[int]) -> None:
        """Judge what was noted, for an acyclic graph and the nodes that have conditions."""
        reachability = Reachability(self._parents, order)
        wrong = reachability.not_ancestors(list(self._distant()))
        doubtful = [pair for pair in self._uses if pair not in wrong and self._needs_proof(pair)]
        skipped = reachability.avoidable(doubtful, conditional)
        for pair, uses in self._uses.items():
            for use in uses:
                self._judge(use, is_wrong=pair in wrong, is_skipped=pair in skipped)

    def _judge(self, use: _Use, *, is_wrong: bool, is_skipped: bool) -> None:
        if is_wrong:
            words = f"node '{use.target}' is not an ancestor, so it need not have ended by then"
            self._violations.add(use.field, words, "NOT_AN_ANCESTOR")
        elif is_skipped and not use.is_guarded:
            words = (
                f"node '{use.target}' may have been skipped; say what holds then, "
                f"as in {{{{ has({node_in_cel(use.target)}.output) ? … : … }}}}"
            )
            self._violations.add(use.field, words, "POSSIBLY_SKIPPED")

    def _distant(self) -> Iterator[Pair]:
        """Yield the pairs whose target is not simply a parent."""
        known: tuple[int, frozenset[int]] = (-1, frozenset())
        for node, target in self._uses:
            if known[0] != node:
                known = (node, frozenset(self._parents[node]))
            if target not in known[1]:
                yield node, target

    def _needs_proof(self, pair: Pair) -> bool:
        """A node runs only if a parent completed, so an only parent did."""
        node, target = pair
        return self._parents[node] != [target] and not all(use.is_guarded for use in self._uses[pair])
