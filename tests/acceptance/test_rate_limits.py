"""Token buckets that replicas share, as callers meet them."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from flowmesh import Client, RateLimitedError, Submission, Workflow
from tests.acceptance.processes import COMMAND, background, ready_address

BURST = 5
NEVER = "0.001"

Replicas = Callable[[str], list[str]]


@pytest.fixture
def replicas(database_url: str, redis_url: str) -> Iterator[Replicas]:
    """Start two submission processes that limit either `NAMESPACE` or `CLIENT`; return their addresses."""
    stores = {"FLOWMESH_POSTGRES_URL": database_url, "FLOWMESH_REDIS_URL": redis_url}
    subprocess.run([*COMMAND, "migrate"], env={**os.environ, **stores}, check=True, capture_output=True)
    with ExitStack() as stack:

        def start(limited: str) -> list[str]:
            rates = {"FLOWMESH_NAMESPACE_RATE": "0", "FLOWMESH_CLIENT_RATE": "0"}
            rates |= {f"FLOWMESH_{limited}_RATE": NEVER, f"FLOWMESH_{limited}_BURST": str(BURST)}
            command = ("serve", "submission", "--listen", "127.0.0.1:0")
            processes = [
                stack.enter_context(background(*command, environment={**stores, **rates})) for _ in range(2)
            ]
            return [ready_address(process) for process in processes]

        yield start


@pytest.mark.parametrize(("limited", "others_pass"), [("NAMESPACE", True), ("CLIENT", False)])
def test_a_bucket_is_shared_by_replicas(replicas: Replicas, limited: str, others_pass: bool) -> None:
    workflow = Workflow("w")
    workflow.node("h", id="a")
    with ExitStack() as stack:
        addresses = replicas(limited)
        clients = [stack.enter_context(Client(address, timeout=5)) for address in addresses]
        others = stack.enter_context(Client(addresses[0], namespace="other", timeout=5))
        for client in itertools.islice(itertools.cycle(clients), BURST):
            client.submit(workflow)
        for client in clients:
            with pytest.raises(RateLimitedError) as caught:
                client.submit(workflow)
            assert (caught.value.code, caught.value.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
            assert caught.value.retry_after is not None
            assert 900 < caught.value.retry_after <= 1000, "a RetryInfo, and as long as a token takes"
            with pytest.raises(RateLimitedError):
                client.submit_many([Submission(workflow)])
        if others_pass:
            others.submit(workflow)
        else:
            with pytest.raises(RateLimitedError):
                others.submit(workflow)
