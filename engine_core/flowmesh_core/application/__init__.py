"""The use cases: one file each, on ports only."""

from __future__ import annotations
