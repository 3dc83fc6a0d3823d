"""How a command says that it failed."""

from __future__ import annotations


class CommandError(Exception):
    """The command failed for a reason that its user can understand; the message is all they see."""
