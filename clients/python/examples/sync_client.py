"""The same without asyncio: the client in this thread, the worker in another."""

from __future__ import annotations

import threading

from flowmesh import Client, Worker, Workflow, task


@task
def add(a: int, b: int) -> int:
    return a + b


def main() -> None:
    workflow = Workflow("sum")
    first = workflow.node(add, a=1, b=2)
    workflow.node(add, id="total", a=first.output, b=Workflow.input)

    worker = Worker(tasks=[add])
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    try:
        with Client() as client:
            version = client.register(workflow)
            handle = client.submit((version.name, version.version), 39)
            print(handle.result(timeout=30))
    finally:
        worker.stop()
        thread.join()


if __name__ == "__main__":
    main()
