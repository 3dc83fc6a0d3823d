"""What logs show and what they hide."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from flowmesh_services.runtime.logging import configure_logging


def test_libraries_and_our_code_log_the_same_form(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    structlog.get_logger("ours").info("started", role="reaper")
    logging.getLogger("theirs").warning("look")
    out, err = capfd.readouterr()
    ours, theirs = (json.loads(line) for line in err.splitlines())
    assert out == ""
    assert (ours["event"], ours["level"], ours["role"]) == ("started", "info", "reaper")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("look", "warning", "theirs")


def test_what_is_below_the_level_is_not_written(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "json")
    structlog.get_logger("ours").info("started")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_hidden(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json" if form == "json" else "console")
    structlog.get_logger("ours").info(
        "opened", task_token="hunter2", url="postgresql://me:hunter2@host/db", authorization="hunter2"
    )
    err = capfd.readouterr().err
    assert "hunter2" not in err
    assert "[hidden]" in err
