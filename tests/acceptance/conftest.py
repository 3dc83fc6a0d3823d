"""One running system for the whole level, as `flowmesh dev` makes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.processes import background, dev


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a running system."""
    with dev() as where:
        yield where


@pytest.fixture(scope="session")
def dry_run_worker(address: str) -> Iterator[None]:
    """A worker in a process of its own that takes every handler and returns the config."""
    with background("worker", "--dry-run", "--slots", "100", "--address", address):
        yield
