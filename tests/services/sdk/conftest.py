"""Fixtures of the SDK's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .scripted_server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running
