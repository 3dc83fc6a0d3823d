from __future__ import annotations

import random
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from flowmesh_core.domain.node_queue import NodeQueue


@given(st.lists(st.integers(0, 4), max_size=60), st.randoms(use_true_random=False))
def test_it_behaves_like_a_deque(additions: list[int], chance: random.Random) -> None:
    queue, model = NodeQueue(), deque[int]()
    for number, count in enumerate(additions):
        nodes = range(number, number + count)
        queue.extend(nodes)
        model.extend(nodes)
        queue.append(number)
        model.append(number)
        for _ in range(chance.randint(0, len(model))):
            assert queue.first() == model.popleft()
            queue.pop_first()
        assert list(queue) == list(model)
        assert len(queue) == len(model)


def test_taking_out_costs_the_same_however_long_it_is() -> None:
    queue = NodeQueue()
    queue.extend(range(200_000))
    for node in range(200_000):  # the test's timeout is what a quadratic queue meets
        assert queue.first() == node
        queue.pop_first()
    assert not queue
