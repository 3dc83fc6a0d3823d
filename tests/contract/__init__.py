"""What every adapter of a port must do; twins and real servers alike."""

from __future__ import annotations
