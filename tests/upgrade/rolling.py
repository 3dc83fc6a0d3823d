"""Processes of two versions on the same stores, replaced one after another."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.acceptance.processes import COMMAND, free_ports
from tests.chaos.cluster import ROLES, Member
from tests.upgrade.versions import ROOT, import_roots

NAMES = [f"{role}-{number}" for number in (1, 2) for role in ROLES]
_COMMAND_SECONDS = 60.0


class TwoVersions:
    """Two processes of every role; which version each is of changes while they serve."""

    def __init__(self, directory: Path, trees: dict[str, Path], stores: dict[str, str]) -> None:
        self._directory = directory
        self._trees = trees
        self._stores = stores
        self._ports = free_ports(NAMES)
        self._members: dict[str, Member] = {}

    def address(self, name: str) -> str:
        """Return where a process listens, whatever its version."""
        return f"127.0.0.1:{self._ports[name]}"

    def addresses(self, role: str) -> list[str]:
        """Return where the processes of a role listen."""
        return [self.address(f"{role}-{number}") for number in (1, 2)]

    async def start(self, name: str, version: str) -> None:
        """Start a process of a version, and wait until it serves."""
        arguments = [*COMMAND, "serve", name.rpartition("-")[0], "--listen", self.address(name)]
        member = Member(
            name, arguments, self._environment(version), self._directory / f"{name}.{version}.log"
        )
        self._members[name] = member
        await member.start()
        assert await member.serves(), member.log.read_text()[-2000:]

    async def replace(self, name: str, version: str) -> None:
        """End a process as an operator does, and start one of another version in its place."""
        await self._members[name].stop()
        await self.start(name, version)

    async def start_worker(self, number: int) -> None:
        """Start a worker, connected to one of the gateways."""
        name = f"worker-{number}"
        facts = str(self._directory / f"{name}.facts")
        gateway = self.address(f"worker-control-{number}")
        arguments = [sys.executable, "-m", "tests.chaos.worker_process", gateway, facts, name]
        member = Member(name, arguments, self._environment("new"), self._directory / f"{name}.log")
        self._members[name] = member
        await member.start()

    async def stop(self, prefix: str = "") -> None:
        """End the processes whose names begin so."""
        named = [member for name, member in self._members.items() if name.startswith(prefix)]
        await asyncio.gather(*(member.stop() for member in named))

    async def run(self, version: str, *arguments: str) -> tuple[int, str]:
        """Run a command of a version to its end; return its exit code and what it printed."""
        return await self._run(version, *COMMAND, *arguments)

    async def origin(self, version: str) -> str:
        """Return where the processes of a version have their code from."""
        program = "import flowmesh_core, flowmesh_services; print(flowmesh_core.__file__)"
        return (await self._run(version, sys.executable, "-c", program))[1]

    async def _run(self, version: str, *command: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=self._environment(version),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(_COMMAND_SECONDS):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, (out or err).decode()

    async def verdict(self) -> dict[str, Any]:
        """Return what `flowmesh verify` says of the stores and of everything clients were told."""
        logs = (word for path in self._directory.glob("*.facts") for word in ("--log", str(path)))
        _, said = await self.run("new", "verify", "--settled", "--output", "json", *logs)
        verdict: dict[str, Any] = json.loads(said)
        return verdict

    def warnings(self, version: str) -> str:
        """Return what the processes of a version logged, at warning and above."""
        return "\n".join(path.read_text() for path in self._directory.glob(f"*.{version}.log"))

    def _environment(self, version: str) -> dict[str, str]:
        return {
            **os.environ,
            **self._stores,
            "PYTHONPATH": import_roots(self._trees[version]),
            "FLOWMESH_LOG_LEVEL": "warning",
            "FLOWMESH_LOG_FORMAT": "json",
            "FLOWMESH_GRACE_SECONDS": "3",
            "FLOWMESH_PARTITIONS": "16",
            "FLOWMESH_LEASE_SECONDS": "1",
            "FLOWMESH_GATEWAY_LEASE_SECONDS": "2",
            "FLOWMESH_WORKER_LEASE_SECONDS": "3",
            "FLOWMESH_WORKER_BEAT_SECONDS": "0.5",
        }
