"""What `make bench` can be told: `make bench BENCH="--bench-runs 5 --bench-only W2 …"`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.workloads import ALL


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("benchmarks")
    group.addoption("--bench-folder", type=Path, default=Path(".cache/bench"), help="where results go")
    group.addoption("--bench-runs", type=int, default=3, help="runs of each workload")
    group.addoption("--bench-only", choices=ALL, nargs="+", help="workloads; all but W5-large by default")
    group.addoption("--bench-compare", type=Path, help="a results.json to compare with")
    group.addoption("--bench-renew", action="store_true", help="make what the guard counts its baseline")
    for kind in ("orchestrations", "gateways", "submissions", "workers"):
        group.addoption(f"--bench-{kind}", type=int, help=f"processes: {kind}")
