"""The role that shows executions and changes their course."""

from __future__ import annotations
