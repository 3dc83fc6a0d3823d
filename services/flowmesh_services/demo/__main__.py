"""`make demo`: start everything, run the workflow, show it, print the report."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from flowmesh import Client, FlowmeshError
from flowmesh_services.cli.options import OutputFormat
from flowmesh_services.cli.watching import follow
from flowmesh_services.demo.tasks import package_names
from flowmesh_services.demo.workflow import standard_library_report

_STOP_SECONDS = 20.0


def main() -> int:
    """Run the demo; return 0 when the workflow COMPLETED, else 1."""
    try:
        return _run()
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
    except (FlowmeshError, OSError, RuntimeError) as error:
        print(f"demo: {error}", file=sys.stderr)
    return 1


def _run() -> int:
    began = time.monotonic()
    with contextlib.ExitStack() as running:
        print("starting Redis, PostgreSQL and the services …", flush=True)
        address = running.enter_context(_server())
        for _ in range(max(2, (os.cpu_count() or 2) - 1)):
            running.enter_context(_process("worker", "flowmesh_services.demo.tasks", "--address", address))
        workflow = standard_library_report(package_names())
        with Client(address) as client:
            handle = client.submit(workflow, labels={"demo": "standard-library"})
            print(f"submitted {workflow.name} with {len(workflow.nodes)} nodes as {handle.id}", flush=True)
            if follow(handle, OutputFormat.TEXT):
                raise RuntimeError(f"the workflow ended as {handle.describe().state}")
            print(f"\n{handle.result()['write_report']}\n")
    print(f"done in {time.monotonic() - began:.1f} s; nothing is left running")
    return 0


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """Run `flowmesh dev` on a free port; yield its address."""
    with _process("dev", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE) as server:
        assert server.stdout is not None  # noqa: S101 - it is piped
        for line in server.stdout:
            if "ready" in line:
                yield line.split()[-1]
                return
        raise RuntimeError("the server ended before it was ready; what it said is above")


@contextlib.contextmanager
def _process(*arguments: str, stdout: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a flowmesh command in the background and stop it at the end."""
    command = [sys.executable, "-m", "flowmesh_services.cli", *arguments]
    environment = {**os.environ, "FLOWMESH_LOG_LEVEL": os.environ.get("FLOWMESH_LOG_LEVEL", "warning")}
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=stdout, text=True, env=environment, process_group=0
    )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
