"""The command `flowmesh`."""

from __future__ import annotations

from flowmesh_services.cli.app import main

__all__ = ["main"]
