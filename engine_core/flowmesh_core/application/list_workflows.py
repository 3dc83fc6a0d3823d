"""Listing registered workflows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowmesh_core.application.page_token import PageTokens
from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.ports.workflow_store import RegisteredVersion, VersionPosition, WorkflowStore


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """Some versions, and the token of the next page; empty on the last."""

    versions: Sequence[RegisteredVersion]
    next_page_token: str


class ListWorkflows:
    """Lists registered versions by name and version, ascending."""

    def __init__(self, workflows: WorkflowStore) -> None:
        """Read from `workflows`."""
        self._workflows = workflows

    async def __call__(self, namespace: str, name: str, page_size: int, page_token: str) -> WorkflowPage:
        """Return one page, only of `name` unless it is empty.

        Raises:
            InvalidRequest: A field is malformed, or the token was not given by this list.
            StoreUnavailable: The store does not answer.
        """
        check = RequestCheck()
        check.name("namespace", namespace)
        if name:
            check.name("name", name)
        size = check.page_size(page_size)
        check.refuse_if_wrong()
        tokens = PageTokens("workflows", namespace, name)
        after = _position(tokens, page_token) if page_token else None
        found = await self._workflows.list_versions(namespace, name=name, after=after, limit=size + 1)
        page = found[:size]
        more = len(found) > size
        return WorkflowPage(page, tokens.encode(page[-1].name, page[-1].version) if more else "")


def _position(tokens: PageTokens, token: str) -> VersionPosition:
    name, version = tokens.decode(token, (str, int))
    return VersionPosition(str(name), int(version))
