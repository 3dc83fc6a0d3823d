"""Production workflow graphs in WfFormat 1.5 as flowmesh workflows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from flowmesh import Workflow

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "wfinstances"
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
_NOT_IN_HANDLERS = re.compile(r"[^A-Za-z0-9._/:-]")


def instances() -> list[Path]:
    """Return the graphs that are there, the smallest first."""
    return sorted(FOLDER.glob("*.json"), key=lambda path: path.stat().st_size)


def convert(path: Path) -> Workflow:
    """Convert a graph: a node per task, with the task's kind as handler and its parents' ids as config."""
    tasks = json.loads(path.read_bytes())["workflow"]["specification"]["tasks"]
    ids = unique_ids([task["id"] for task in tasks])
    nodes = [node(task, ids) for task in tasks]
    return Workflow.from_dict({"name": _NOT_IN_IDS.sub("-", path.stem), "dag": {"nodes": nodes}})


def unique_ids(names: list[str]) -> dict[str, str]:
    """Map the ids of a graph to node ids, one to one."""
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        candidate = "n_" + _NOT_IN_IDS.sub("_", name)
        while candidate in taken:
            candidate += "_"
        ids[name] = candidate
        taken.add(candidate)
    return ids


def node(task: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """Convert one task; its config takes a value from each parent, so data flows along every edge."""
    parents = [ids[parent] for parent in dict.fromkeys(task["parents"])]
    return {
        "id": ids[task["id"]],
        "handler": "h/" + _NOT_IN_HANDLERS.sub("_", task["name"]),
        "dependencies": parents,
        "config": {
            "task": task["id"],
            "outputs": len(task["outputFiles"]),
            "from": {parent: f"{{{{ {parent}.output.task }}}}" for parent in parents},
        },
    }
