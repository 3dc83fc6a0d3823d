"""Task tokens: what a worker shows to speak about an attempt."""

from __future__ import annotations

import hmac
from typing import NamedTuple

from flowmesh_core.domain.errors import InvalidTaskToken
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.command_log import QueueEntry

_VERSION = b"\x01"
_TAG_LENGTH = 16
_BODY_AT = len(_VERSION) + _TAG_LENGTH
_SEPARATOR = "\0"

TaskIdentity = tuple[ExecutionKey, str, int]
"""Execution, node and attempt."""


class TaskClaims(NamedTuple):
    """What a token says.

    Attributes:
        key: The execution.
        node_id: The node.
        attempt: The attempt.
        handler: The handler, which names the task's queue.
        entry_id: The task's place in that queue.
        gateway_id: The gateway that handed the task out.
        worker_id: The worker it was handed to.
        deadline: When the attempt times out, on the wall clock.
        heartbeat: The longest silence of the handler; 0 for no limit.
    """

    key: ExecutionKey
    node_id: str
    attempt: int
    handler: str
    entry_id: str
    gateway_id: str
    worker_id: str
    deadline: Micros
    heartbeat: Micros

    @property
    def identity(self) -> TaskIdentity:
        """The attempt."""
        return self.key, self.node_id, self.attempt

    @property
    def queue_entry(self) -> QueueEntry:
        """Where the task lies until its attempt has ended."""
        return QueueEntry(self.key.namespace, self.handler, self.entry_id)


class TaskTokens:
    """Seals claims with the cluster's key (HMAC-SHA256, cut to 128 bits) and opens them again."""

    def __init__(self, key: bytes) -> None:
        """Use `Cluster.token_key`."""
        self._key = key

    def seal(self, claims: TaskClaims) -> bytes:
        """Return the token; no part of the claims may hold a NUL."""
        key, *rest = claims
        body = _SEPARATOR.join((key.namespace, key.execution_id, *map(str, rest))).encode()
        return _VERSION + self._tag(body) + body

    def open(self, token: bytes) -> TaskClaims:
        """Return what the token says.

        Raises:
            InvalidTaskToken: It was not sealed with this key.
        """
        body = token[_BODY_AT:]
        if token[:1] != _VERSION or not hmac.compare_digest(token[1:_BODY_AT], self._tag(body)):
            raise InvalidTaskToken("the task token was not made by this cluster or was altered")
        namespace, execution_id, node_id, attempt, *names, deadline, heartbeat = body.decode().split(
            _SEPARATOR
        )
        handler, entry_id, gateway_id, worker_id = names
        return TaskClaims(
            ExecutionKey(namespace, execution_id),
            node_id,
            int(attempt),
            handler,
            entry_id,
            gateway_id,
            worker_id,
            Micros(int(deadline)),
            Micros(int(heartbeat)),
        )

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_TAG_LENGTH]
