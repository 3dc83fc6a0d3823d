"""What things are called, and where an execution lives."""

from __future__ import annotations

import re
from typing import NamedTuple
from zlib import crc32

DEFAULT_NAMESPACE = "default"
MAXIMUM_ID_LENGTH = 255

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
"""Namespaces, workflow names and execution ids."""
NODE_ID_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,254}")
"""Node ids. No dots, because templates put one after the id."""
HANDLER_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/:-]{0,254}")
"""Handler names."""


class ExecutionKey(NamedTuple):
    """The identity of an execution: its namespace and its id in there."""

    namespace: str
    execution_id: str

    def __str__(self) -> str:
        """Read as `namespace/execution_id`; neither part can hold a slash."""
        return f"{self.namespace}/{self.execution_id}"


def partition_of(key: ExecutionKey, partitions: int) -> int:
    """Return the partition, from 0, that an execution belongs to for life."""
    return crc32(str(key).encode()) % partitions


def idempotency_key(key: ExecutionKey, node_id: str) -> str:
    """Return the key that every attempt of a node gives to outside systems."""
    return f"{key}/{node_id}"
