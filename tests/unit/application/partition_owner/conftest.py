from __future__ import annotations

import pytest

from .world import Owner, World


@pytest.fixture
async def world() -> World:
    """A cluster without owners."""
    return await World().open()


@pytest.fixture
async def owner(world: World) -> Owner:
    """An owner of every partition."""
    return await Owner(world).join()
