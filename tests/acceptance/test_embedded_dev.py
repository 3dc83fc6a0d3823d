"""`flowmesh dev`, `serve`, `migrate` and `health` as an operator runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.processes import (
    COMMAND,
    STOP_SECONDS,
    Finished,
    all_end,
    background,
    descendants,
    dev,
    flowmesh,
    lives,
    ready_address,
)


def _says_one_line(finished: Finished, code: int, words: str) -> None:
    assert finished.code == code
    assert finished.out == ""
    (line,) = finished.err.splitlines()
    assert words in line


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_dev_serves_and_ends_cleanly(ending: signal.Signals) -> None:
    with background("dev", "--listen", "127.0.0.1:0") as process:
        address = ready_address(process)
        assert flowmesh("health", "--address", address).out == "SERVING\n"
        children = descendants(process.pid)
        assert len(children) > 2
        process.send_signal(ending)
        assert process.wait(STOP_SECONDS) == 0
    assert not any(lives(pid) for pid in children)
    assert flowmesh("health", "--address", address).code == 1


def test_a_killed_dev_leaves_no_server_behind() -> None:
    with background("dev", "--listen", "127.0.0.1:0") as process:
        ready_address(process)
        children = descendants(process.pid)
        process.kill()
        process.wait(STOP_SECONDS)
        all_end(children)


def test_dev_interrupted_while_it_starts_ends_at_once(tmp_path: Path) -> None:
    with background("dev", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")) as process:
        while process.poll() is None and not (tmp_path / "data/postgres.log").exists():
            time.sleep(0.005)
        children = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) in {0, 130}
        all_end(children)


def test_dev_starts_again_on_its_data(tmp_path: Path) -> None:
    for _ in range(2):
        with dev("--data-dir", str(tmp_path)) as address:
            assert flowmesh("health", "--address", address).code == 0


def test_a_taken_port_is_told_in_one_line() -> None:
    with dev() as address:
        _says_one_line(flowmesh("dev", "--listen", address), 1, f"cannot listen on {address}")


def test_a_data_directory_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    with dev("--data-dir", str(tmp_path)):
        finished = flowmesh("dev", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path))
    _says_one_line(finished, 1, "in use by another process")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve"], "Missing argument 'ROLE...'"),
        (["serve", "cook"], "'cook' is not one of"),
        (["dev", "--port", "1"], "No such option: --port"),
        (["bake"], "No such command 'bake'"),
    ],
)
def test_wrong_usage_is_told_in_one_line(arguments: list[str], words: str) -> None:
    _says_one_line(flowmesh(*arguments), 2, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "reaper"], "FLOWMESH_POSTGRES_URL"),
        (["migrate"], "FLOWMESH_POSTGRES_URL"),
        (["dev", "--listen", "0.0.0.0:0"], "FLOWMESH_INSECURE=true"),
        (["dev", "--listen", "nowhere"], "must be host:port"),
        (["health", "--address", "127.0.0.1:1"], "does not serve"),
    ],
)
def test_what_cannot_start_is_told_in_one_line(arguments: list[str], words: str) -> None:
    _says_one_line(flowmesh(*arguments), 1, words)


def test_migrate_runs_as_often_as_one_likes(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMESH_POSTGRES_URL", database_url)
    first, second = flowmesh("migrate", "--timeout", "60"), flowmesh("migrate")
    assert (first.code, second.code) == (0, 0)
    assert first.out.splitlines()[0].startswith("0001_")
    assert second.out == "up to date\n"


def test_no_arguments_show_the_commands() -> None:
    assert "serve" in flowmesh().out


def test_logs_go_to_standard_error_and_the_ready_line_to_standard_output() -> None:
    process = subprocess.Popen(
        [*COMMAND, "dev", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FLOWMESH_LOG_LEVEL": "info"},
    )
    ready_address(process)
    process.terminate()
    out, err = process.communicate(timeout=STOP_SECONDS)
    assert out == ""
    assert '"event": "stopping"' in err
