"""`flowmesh verify` as an operator runs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import asyncpg
import pytest

from flowmesh_core.adapters.postgres.migrate import migrate
from tests.acceptance.processes import COMMAND, Finished

pytestmark = pytest.mark.timeout(90)


def verify(database_url: str, redis_url: str, *arguments: str) -> Finished:
    environment = {**os.environ, "FLOWMESH_POSTGRES_URL": database_url, "FLOWMESH_REDIS_URL": redis_url}
    done = subprocess.run(
        [*COMMAND, "verify", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


async def test_it_prints_every_invariant_and_exits_1_on_a_violation(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    await migrate(database_url)
    sound = verify(database_url, redis_url, "--settled")
    assert (sound.code, sound.err) == (0, "")
    assert [line.split()[0] for line in sound.out.splitlines()[:10]] == [
        f"I{number}" for number in range(1, 11)
    ]

    session = await asyncpg.connect(database_url)
    await session.execute(
        "INSERT INTO flowmesh.request (namespace, method, request_id, digest, answer, created_at)"
        " VALUES ('default', 'SubmitWorkflow', 'r', 'd', 'nothing', 0)"
    )
    await session.close()
    log = tmp_path / "clients.facts"
    fact = {"fact": "submitted", "namespace": "default", "execution_id": "gone", "request_id": ""}
    log.write_text(json.dumps(fact) + '\n{"fact": "subm')
    violated = verify(database_url, redis_url, "--log", str(log), "--output", "json")

    assert violated.code == 1
    report = json.loads(violated.out)
    assert report["violations"] == 2
    assert report["invariants"]["I3"]["samples"] == [
        "default/r: the request stands for no execution",
        "default/gone: it is lost",
    ]
    assert report["invariants"]["I3"]["notes"] == {"unreadable lines": 1}


def test_a_log_that_is_not_there_is_one_line(database_url: str, redis_url: str) -> None:
    done = verify(database_url, redis_url, "--log", "/nowhere/at-all")

    assert done.code == 1
    assert done.err == "flowmesh: cannot read /nowhere/at-all: No such file or directory\n"
