from __future__ import annotations

import pytest

from flowmesh_core.application.pace import rest_after


@pytest.mark.parametrize(
    ("batch", "took", "rest"),
    [
        pytest.param(0, 0.5, 0.0, id="nothing came"),
        pytest.param(1, 0.5, 0.0, id="what came alone is followed at once"),
        pytest.param(2, 0.001, 0.002, id="a third of the time is work"),
        pytest.param(99, 0.001, 0.002, id="how many they were does not matter"),
        pytest.param(100, 0.001, 0.0, id="but a large batch is large enough"),
        pytest.param(2, 0.5, 0.01, id="never too long"),
    ],
)
def test_a_rest_lets_company_come(batch: int, took: float, rest: float) -> None:
    assert rest_after(batch, took, longest=0.01) == rest
