"""What goes wrong with embedded servers."""

from __future__ import annotations


class EmbeddedServerError(Exception):
    """An embedded server cannot be found, started or used; the message says why and what to do."""
