"""The check of everything stored, on real servers with planted violations."""

from __future__ import annotations
