"""Clients: one set of calls without I/O, a sync and an async shell."""

from __future__ import annotations
