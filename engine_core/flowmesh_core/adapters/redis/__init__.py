"""Transport and warm copies on Redis."""

from __future__ import annotations
