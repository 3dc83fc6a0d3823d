"""The system of record on PostgreSQL."""

from __future__ import annotations
