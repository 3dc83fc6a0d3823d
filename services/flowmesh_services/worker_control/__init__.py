"""WorkerControlService: the thin gRPC side of the worker gateway."""

from __future__ import annotations
