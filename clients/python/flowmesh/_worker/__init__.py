"""The worker: one stream in threads of its own, handlers beside it."""

from __future__ import annotations
