"""The whole system as processes, under load and under faults."""

from __future__ import annotations
