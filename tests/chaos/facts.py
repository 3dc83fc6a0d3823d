"""The log of what a client was told, as `flowmesh verify --log` reads it."""

from __future__ import annotations

import json
import os
from pathlib import Path

NAMESPACE = "default"


class FactLog:
    """Appends facts to a file, each in one write, so that a kill leaves whole lines behind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, fact: str, execution_id: str, **more: str | int) -> None:
        """Write down what has just been answered."""
        line = {"fact": fact, "namespace": NAMESPACE, "execution_id": execution_id, **more}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
