"""The ports, each on one technology."""

from __future__ import annotations
