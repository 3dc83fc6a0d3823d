"""The command `flowmesh`."""

from __future__ import annotations

import os

# What goes wrong is told by us, in one line; gRPC would print lines of its own. It reads this when loaded.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from flowmesh_services.cli.interrupts import silent_interrupts

with silent_interrupts():
    from flowmesh_services.cli.app import main

__all__ = ["main"]
