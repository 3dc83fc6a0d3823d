"""A documented in-memory twin of every port."""

from __future__ import annotations
