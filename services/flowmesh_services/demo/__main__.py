"""`make demo`: start everything, run the workflow, show it, print the report."""

from __future__ import annotations

import os
import subprocess
import sys
import time

# First of all: it keeps gRPC from printing lines of its own.
from flowmesh_services.cli.options import OutputFormat
from flowmesh_services.cli.watching import follow

# isort: split
from flowmesh import Client, FlowmeshError
from flowmesh_services.demo.processes import ProcessEndedError, Processes
from flowmesh_services.demo.tasks import package_names
from flowmesh_services.demo.workflow import standard_library_report

INTERRUPTED = 130


def main() -> int:
    """Run the demo; return 0 when the workflow COMPLETED, 130 when interrupted, else 1."""
    began = time.monotonic()
    processes = Processes()
    try:
        with processes:
            _run(processes)
    except KeyboardInterrupt:
        print("demo: interrupted; nothing is left running", file=sys.stderr)
        return INTERRUPTED
    except (FlowmeshError, ProcessEndedError, OSError, RuntimeError) as error:
        print("\n".join(filter(None, [processes.last_words(), f"demo: {error}"])), file=sys.stderr)
        return 1
    print(f"done in {time.monotonic() - began:.1f} s; nothing is left running")
    return 0


def _run(processes: Processes) -> None:
    print("starting Redis, PostgreSQL and the services …", flush=True)
    address = _serve(processes)
    for _ in range(max(2, (os.cpu_count() or 2) - 1)):
        processes.start("worker", "flowmesh_services.demo.tasks", "--address", address)
    workflow = standard_library_report(package_names())
    with Client(address) as client:
        handle = client.submit(workflow, labels={"demo": "standard-library"})
        print(f"submitted {workflow.name} with {len(workflow.nodes)} nodes as {handle.id}", flush=True)
        if follow(handle, OutputFormat.TEXT):
            raise RuntimeError(f"the workflow ended as {handle.describe().state}")
        print(f"\n{handle.result()['write_report']}\n")


def _serve(processes: Processes) -> str:
    """Run `flowmesh dev` on a free port; return its address."""
    server = processes.start("dev", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE)
    assert server.stdout is not None  # noqa: S101 - it is piped
    for line in server.stdout:
        if "ready" in line:
            return line.split()[-1]
    raise RuntimeError("the server ended before it was ready")


if __name__ == "__main__":
    sys.exit(main())
