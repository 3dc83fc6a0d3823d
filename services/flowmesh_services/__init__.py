"""The gRPC services, the background roles and the command line."""

from __future__ import annotations
