"""The demo: a real workflow over the sources of the Python standard library."""

from __future__ import annotations
