"""What logs show and what they hide."""

from __future__ import annotations

import json
import logging
from contextvars import copy_context

import pytest
import structlog
from opentelemetry import trace

from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_services.runtime.caller import concerns
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


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("ours", [True, False])
def test_tracebacks_hide_secrets_and_show_no_values(
    form: str, ours: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("info", "json" if form == "json" else "console")
    logger = structlog.get_logger("ours") if ours else logging.getLogger("theirs")
    token = "hunter" + str(2)
    try:
        _fail_with(f"no server at redis://:{token}@host/0")
    except ValueError:
        logger.exception("failed")
    err = capfd.readouterr().err
    assert token not in err
    assert "no server at redis://:[hidden]@host/0" in err


def test_logs_name_the_span_and_the_execution_of_their_call(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    span = trace.NonRecordingSpan(trace.SpanContext(0xA1, 0xB2, is_remote=False))

    def serve() -> None:
        with trace.use_span(span):
            concerns("default", "e1")
            structlog.get_logger("ours").info("called")
            logging.getLogger("theirs").info("called")

    copy_context().run(serve)
    structlog.get_logger("ours").info("idle")
    *called, idle = map(json.loads, capfd.readouterr().err.splitlines())
    for line in called:
        assert (line["trace_id"], line["span_id"]) == (f"{0xA1:032x}", f"{0xB2:016x}")
        assert (line["namespace"], line["execution_id"]) == ("default", "e1")
    assert idle.keys().isdisjoint({"trace_id", "span_id", "namespace", "execution_id"})


def test_the_core_says_which_execution_it_logs_about(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    about = ExecutionKey("default", "e1")._asdict()
    logging.getLogger("flowmesh_core").error("execution %s: broken", "default/e1", extra=about)
    line = json.loads(capfd.readouterr().err)
    assert (line["namespace"], line["execution_id"]) == ("default", "e1")


def _fail_with(message: str) -> None:
    raise ValueError(message)
