"""What the core needs from the world, as protocols."""

from __future__ import annotations
