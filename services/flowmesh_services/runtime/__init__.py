"""What every role needs around its work: the gRPC server, errors, logs, telemetry, a graceful end."""

from __future__ import annotations
