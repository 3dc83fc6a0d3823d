"""The SDK in processes of its own: signals and traces."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flowmesh.v1 import submission_service_pb2 as submission

from .scripted_server import task

if TYPE_CHECKING:
    from .scripted_server import ScriptedServer

HERE = Path(__file__).parent
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
WORKER = """
import sys, time, flowmesh
@flowmesh.task
def slow() -> str:
    print("began", flush=True)
    sys.stdin.readline()
    return "done"
@flowmesh.task
def stuck() -> None:
    print("began", flush=True)
    while True:
        time.sleep(60)
flowmesh.Worker(sys.argv[1], tasks=[slow, stuck]).run_forever()
print("ended", flush=True)
"""


def run_worker(server: ScriptedServer) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, server.address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_the_process(server: ScriptedServer, number: signal.Signals) -> None:
    with run_worker(server) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stream = server.welcome()
        stream.assign(task(b"t1", "slow"))
        assert process.stdout.readline() == "began\n"
        process.send_signal(number)
        stream.expect("drain")
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert stream.report().completion.output.data == b'"done"'
        stream.answer(b"t1")
        assert process.stdout.readline() == "ended\n"
        assert process.wait(10) == 0


def test_a_handler_that_never_ends_cannot_hold_the_process(server: ScriptedServer) -> None:
    with run_worker(server) as process:
        assert process.stdout is not None
        stream = server.welcome()
        stream.assign(task(b"t1", "stuck"))
        assert process.stdout.readline() == "began\n"
        process.send_signal(signal.SIGTERM)
        stream.expect("drain")
        process.send_signal(signal.SIGTERM)
        assert stream.report().failure.failure.error_type == "WorkerStopped"
        stream.answer(b"t1")
        assert process.wait(10) == 0


def test_traces_go_from_the_call_to_the_handler(server: ScriptedServer) -> None:
    server.script("SubmitWorkflow", submission.SubmitWorkflowResponse(execution_id="e1"))
    program = [sys.executable, str(HERE / "traced_program.py"), server.address]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        stream = server.welcome()
        stream.assign(task(b"t1", "double", b'{"n":1}', traceparent=f"00-{TRACE}-{PARENT}-01"))
        stream.report()
        stream.answer(b"t1")
        out, _ = process.communicate(timeout=30)
    call, handler = json.loads(out)
    sent = server.received["SubmitWorkflow"][0].metadata["traceparent"]
    assert call["name"] == "flowmesh.v1/SubmitWorkflow"
    assert sent.startswith(f"00-{call['trace']}-{call['span']}-")
    assert (handler["name"], handler["trace"], handler["parent"]) == ("double", TRACE, PARENT)
    assert handler["attributes"]["flowmesh.execution_id"] == "e1"
