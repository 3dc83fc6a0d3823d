"""The plans of the statements on a new cluster, where the planner knows nothing yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flowmesh_core.adapters.postgres.listing import listing
from flowmesh_core.adapters.postgres.pool import connection, open_pool
from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.execution_store import ExecutionFilter, ListPosition

if TYPE_CHECKING:
    from collections.abc import Sequence


async def scans(url: str, text: str, parameters: int) -> list[str]:
    """Return the lines of the plan that read tables."""
    async with open_pool(url, maximum=1) as pool, connection(pool) as session:
        await session.execute(f"PREPARE checked AS {text}")
        nothing = ", ".join(["NULL"] * parameters)
        plan: Sequence[str] = [row[0] for row in await session.fetch(f"EXPLAIN EXECUTE checked ({nothing})")]
    return [line.strip() for line in plan if " on " in line and "Scan" in line]


@pytest.mark.parametrize(
    ("name", "parameters", "indexes"),
    [
        ("append", 15, {"partition_pkey", "execution_pkey"}),
        ("create", 17, {"definition_pkey"}),
        ("resolve", 3, {"request_pkey", "execution_pkey"}),
        ("get_many", 2, {"execution_pkey"}),
        ("read", 4, {"history_pkey"}),
        ("read_many", 2, {"history_pkey"}),
        ("read_new", 4, {"history_pkey"}),
        ("definitions", 2, {"definition_pkey"}),
        ("get_version", 3, {"workflow_version_pkey"}),
        ("open_keys", 1, {"execution_open"}),
        ("pending_keys", 5, {"execution_pending"}),
        (
            "delete_closed",
            2,
            {"execution_closed", "history_pkey", "request_by_execution", "execution_pkey"},
        ),
    ],
)
async def test_look_ups_use_their_index_even_before_there_are_statistics(
    migrated_url: str, name: str, parameters: int, indexes: set[str]
) -> None:
    found = await scans(migrated_url, statement(name), parameters)
    tables = [line for line in found if "CTE Scan" not in line and "Function Scan" not in line]
    used = {word for line in tables for word in line.split() if word.endswith(("_pkey", *indexes))}
    assert used == indexes
    assert not [line for line in tables if "Seq Scan" in line]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (ExecutionFilter("ns"), "execution_newest"),
        (ExecutionFilter("ns", workflow_name="wf"), "execution_newest"),
        (ExecutionFilter("ns", statuses=frozenset({ExecutionStatus.PENDING})), "execution_newest"),
        (ExecutionFilter("ns", statuses=frozenset({ExecutionStatus.FAILED})), "execution_failed"),
    ],
)
async def test_lists_are_read_in_the_order_of_an_index(
    migrated_url: str, query: ExecutionFilter, index: str
) -> None:
    text, arguments = listing(query, ListPosition(Micros(0), "x"), 10)
    (line,) = [each for each in await scans(migrated_url, text, len(arguments)) if "Function" not in each]
    assert f"Backward using {index} on execution" in line
