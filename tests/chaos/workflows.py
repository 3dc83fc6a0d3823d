"""The graphs of the load: branches, joins, conditions, retries, and tasks that kill their worker."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from flowmesh import RetryPolicy, Workflow

_QUICK = RetryPolicy(maximum_attempts=6, initial_interval=timedelta(milliseconds=50), maximum_lost=20)


def branching() -> Workflow:
    """A root, four branches of which one runs for even numbers only, and a join."""
    workflow = Workflow("branching")
    root = workflow.node("step", id="root", retry=_QUICK, n=workflow.input["n"])
    branches = [
        workflow.node(
            "step",
            id=f"branch{number}",
            retry=_QUICK,
            condition="root.output.n % 2 == 0" if number == 3 else "",
            n=root.output["n"],
        )
        for number in range(4)
    ]
    workflow.node("step", id="join", retry=_QUICK, after=branches, n=workflow.input["n"])
    return workflow


def retrying() -> Workflow:
    """A task whose first attempt fails, and one behind it."""
    workflow = Workflow("retrying")
    flaky = workflow.node("flaky", id="flaky", retry=_QUICK, n=workflow.input["n"])
    workflow.node("step", id="after", retry=_QUICK, n=flaky.output["n"])
    return workflow


def chain(length: int = 5) -> Workflow:
    """Steps that each take over from the one before."""
    workflow = Workflow(f"chain-{length}")
    before = workflow.node("step", id="s0", retry=_QUICK, n=workflow.input["n"])
    for number in range(1, length):
        before = workflow.node("step", id=f"s{number}", retry=_QUICK, n=before.output["n"])
    return workflow


def fan(width: int) -> Workflow:
    """A root, this many branches at once, and a join."""
    workflow = Workflow(f"fan-{width}")
    root = workflow.node("step", id="root", retry=_QUICK, n=workflow.input["n"])
    branches = [
        workflow.node("step", id=f"b{number}", retry=_QUICK, n=root.output["n"]) for number in range(width)
    ]
    workflow.node("step", id="join", retry=_QUICK, after=branches, n=workflow.input["n"])
    return workflow


def slow() -> Workflow:
    """Tasks that run long enough to be seen running."""
    workflow = Workflow("slow")
    first = workflow.node("slow", id="first", retry=_QUICK, n=workflow.input["n"])
    workflow.node("slow", id="second", retry=_QUICK, n=first.output["n"])
    return workflow


def timed(limit: timedelta) -> Workflow:
    """A task with a time limit that it keeps, and no second attempt."""
    workflow = Workflow("timed")
    workflow.node(
        "slow", id="timed", retry=RetryPolicy(maximum_attempts=1), timeout=limit, n=workflow.input["n"]
    )
    return workflow


def waiting(pause: timedelta) -> Workflow:
    """A task whose first attempt fails, and whose second waits for a while."""
    workflow = Workflow("waiting")
    policy = RetryPolicy(maximum_attempts=2, initial_interval=pause, maximum_lost=20)
    workflow.node("flaky", id="flaky", retry=policy, n=workflow.input["n"])
    return workflow


def failing() -> Workflow:
    """A task that always fails, and those that then do not run."""
    workflow = Workflow("failing")
    policy = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=20), maximum_lost=20)
    broken = workflow.node("broken", id="broken", retry=policy, n=workflow.input["n"])
    workflow.node("step", id="never", n=broken.output["n"])
    return workflow


def poison() -> Workflow:
    """A task that kills its worker whenever it runs."""
    workflow = Workflow("poison")
    workflow.node("poison", id="poison", retry=RetryPolicy(maximum_lost=2), n=workflow.input["n"])
    return workflow


_WORKFLOWS = (branching(), chain(), retrying(), slow(), failing())
_WEIGHTS = (40, 25, 20, 10, 5)


def choose(rng: Random) -> Workflow:
    """Draw the workflow of the next execution."""
    return rng.choices(_WORKFLOWS, _WEIGHTS)[0]


_MANY_STEPS = (chain(20), fan(50), branching(), retrying(), slow(), failing())
_MANY_WEIGHTS = (35, 10, 30, 15, 5, 5)
STEPS = {"chain-20": 20, "fan-50": 52, "branching": 5, "retrying": 2, "slow": 2}
"""How many nodes at least complete in an execution of each, where it completes."""


def choose_many_steps(rng: Random) -> Workflow:
    """The same where many steps are asked for: about 14 on average."""
    return rng.choices(_MANY_STEPS, _MANY_WEIGHTS)[0]
