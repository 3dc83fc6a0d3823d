"""Expressions by the official CEL engine in C++ (`cel-expr-python`)."""

from __future__ import annotations

from flowmesh_core.adapters.cel.cost import CelLimits
from flowmesh_core.adapters.cel.engine import CelExpressionEngine

__all__ = ["CelExpressionEngine", "CelLimits"]
