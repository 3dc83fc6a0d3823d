"""The graph of the demo: one task per package between a list and a merge."""

from __future__ import annotations

from flowmesh import Workflow
from flowmesh_services.demo import tasks


def standard_library_report(names: list[str]) -> Workflow:
    """Build the workflow that analyses these packages of the standard library."""
    workflow = Workflow("standard-library-report")
    found = workflow.node(tasks.list_packages, id="list_packages", names=names)
    analyses = [
        workflow.node(
            tasks.analyse_package,
            id=f"analyse_{name}",
            package=name,
            files=found.output["files"][name],
        )
        for name in names
    ]
    merged = workflow.node(tasks.merge, id="merge", packages=[analysis.output for analysis in analyses])
    workflow.node(
        tasks.list_unparsable,
        id="list_unparsable",
        condition="size(merge.output.unparsable) > 0",
        after=[merged],
        files=merged.output["unparsable"],
    )
    workflow.node(
        tasks.write_report,
        id="write_report",
        after=[merged, "list_unparsable"],
        summary=merged.output,
        remark="{{ has(list_unparsable.output) ? list_unparsable.output : 'every file is valid Python' }}",
    )
    return workflow
