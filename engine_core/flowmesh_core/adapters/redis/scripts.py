"""The Lua scripts; each states its keys and arguments at its head."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowmesh_core.adapters.redis.wire import Argument, Command


class Script:
    """A Lua script, called by its digest. Every new connection loads all scripts first."""

    def __init__(self, name: str) -> None:
        self.source = files(__package__).joinpath("lua", f"{name}.lua").read_bytes()
        self._digest = sha1(self.source, usedforsecurity=False).hexdigest()

    def command(self, keys: list[str], *arguments: Argument) -> Command:
        """Return the command that runs it."""
        return ("EVALSHA", self._digest, len(keys), *keys, *arguments)


OPEN_LOG = Script("open_log")
MARK_DISPATCHED = Script("mark_dispatched")
TAKE = Script("take")
PENDING = Script("pending")
REMOVE_IDLE = Script("remove_idle")
FORGET_GATEWAY = Script("forget_gateway")
ACQUIRE = Script("acquire")

ALL = (OPEN_LOG, MARK_DISPATCHED, TAKE, PENDING, REMOVE_IDLE, FORGET_GATEWAY, ACQUIRE)
