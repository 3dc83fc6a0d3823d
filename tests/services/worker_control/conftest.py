from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.services.worker_control.worker_control_world import Server, World, gateway_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    owning = asyncio.create_task(world.own())
    yield world
    owning.cancel()
    await asyncio.wait({owning})


@pytest.fixture
async def server(world: World) -> AsyncIterator[Server]:
    async with gateway_server(world) as server:
        yield server
