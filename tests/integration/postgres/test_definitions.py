"""Definitions are sent once, and again when the database lost them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flowmesh_core.domain.errors import WorkflowNotFound
from flowmesh_core.ports.execution_store import CreateStatus
from tests.contract.stores import WORKFLOW, new_execution

if TYPE_CHECKING:
    from tests.contract.stores import Stores
    from tests.integration.postgres.conftest import Session


async def test_a_definition_that_the_database_lost_is_sent_again(stores: Stores, session: Session) -> None:
    await stores.executions.create([new_execution("e1")])
    await session.execute("DELETE FROM flowmesh.definition")
    (result,) = await stores.executions.create([new_execution("e2")])
    assert result.status is CreateStatus.CREATED
    assert await stores.workflows.definitions([("default", "w1")]) == {("default", "w1"): WORKFLOW}


async def test_a_definition_that_nobody_has_is_still_missing(stores: Stores, session: Session) -> None:
    await stores.executions.create([new_execution("e1")])
    await session.execute("DELETE FROM flowmesh.definition")
    with pytest.raises(WorkflowNotFound):
        await stores.executions.create([new_execution("e2", workflow=None)])
