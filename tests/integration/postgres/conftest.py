"""A migrated database, its stores, and a second session beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from flowmesh_core.adapters.postgres.migrate import migrate
from tests.contract.stores import Stores, postgres_stores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Session = asyncpg.Connection[asyncpg.Record]


@pytest.fixture
async def migrated_url(database_url: str) -> str:
    await migrate(database_url)
    return database_url


@pytest.fixture
async def stores(migrated_url: str) -> AsyncIterator[Stores]:
    async with postgres_stores(migrated_url) as opened:
        yield opened


@pytest.fixture
async def session(migrated_url: str) -> AsyncIterator[Session]:
    """A session of its own, which plays whoever else is connected."""
    opened = await asyncpg.connect(migrated_url)
    yield opened
    await opened.close()


@pytest.fixture
async def observer(migrated_url: str) -> AsyncIterator[Session]:
    """A session that only looks."""
    opened = await asyncpg.connect(migrated_url)
    yield opened
    await opened.close()
