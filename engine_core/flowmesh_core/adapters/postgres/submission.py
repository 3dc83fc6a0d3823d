"""Accepting a batch of executions in one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import asyncpg
import orjson

from flowmesh_core.adapters.codec import encode_payload, encode_workflow
from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.domain.errors import StoreUnavailable, WorkflowNotFound
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.execution_store import CreateResult, CreateStatus, NewExecution

if TYPE_CHECKING:
    from flowmesh_core.adapters.postgres.pool import Connection

_CREATE = statement("create")
_RESOLVE = statement("resolve")

_ENCODED_ON_THE_LOOP = 1_000
"""Nodes of definitions."""

DefinitionKey = tuple[str, str]
"""The namespace and the digest of a definition."""


class Submission:
    """One call of `create`: what to send, and what the answers mean.

    Attributes:
        definitions: What it stores, unless it is stored already.
    """

    def __init__(self, executions: Sequence[NewExecution], stored: Collection[DefinitionKey]) -> None:
        """Take the batch, and the definitions that need not be sent because they are stored."""
        self._executions = executions
        self.definitions: dict[DefinitionKey, Workflow] = {}
        for each in executions:
            definition = (each.key.namespace, each.workflow_digest)
            if each.workflow is not None and definition not in stored:
                self.definitions[definition] = each.workflow
        self._first: dict[tuple[str, str], NewExecution] = {}
        for each in executions:
            self._first.setdefault((each.key.namespace, each.request_id), each)

    async def run(self, borrowed: Connection) -> list[CreateResult]:
        """Accept the batch; see `ExecutionStore.create`."""
        nodes = sum(len(workflow.nodes) for workflow in self.definitions.values())
        # What takes long to encode would hold the event loop up, on which leases are renewed.
        is_large = nodes > _ENCODED_ON_THE_LOOP
        arguments = await asyncio.to_thread(self._arguments) if is_large else self._arguments()
        created = self._created(await borrowed.fetch(_CREATE, *arguments))
        others = [place for place in range(len(self._executions)) if place not in created]
        decided = {
            place: CreateResult(CreateStatus.CREATED, self._executions[place].key) for place in created
        }
        if others:
            # A second statement, because it has to see what others committed
            # while the first one waited for them.
            decided |= await self._resolved(borrowed, others)
        return [decided[place] for place in range(len(self._executions))]

    def _arguments(self) -> tuple[object, ...]:
        mentioned = {(each.key.namespace, each.workflow_digest) for each in self._executions}
        required = sorted(mentioned.difference(self.definitions))
        return (
            [namespace for namespace, _ in required],
            [digest for _, digest in required],
            [namespace for namespace, _ in self.definitions],
            [digest for _, digest in self.definitions],
            [encode_workflow(workflow) for workflow in self.definitions.values()],
            *_columns(self._executions),
        )

    def _created(self, rows: Sequence[asyncpg.Record]) -> set[int]:
        """Return the places of the executions that the statement inserted."""
        answers = {(row["kind"], row["namespace"], row["id"]) for row in rows}
        missing = sorted(digest for kind, _, digest in answers if kind == "missing")
        if missing:
            raise WorkflowNotFound(f"no definition with digest {missing[0]}", metadata={"digest": missing[0]})
        places: dict[ExecutionKey, int] = {}
        for place, each in enumerate(self._executions):
            inserted = ("created", *each.key) in answers
            if inserted and self._claims(each, answers):
                places.setdefault(each.key, place)
        return set(places.values())

    def _claims(self, each: NewExecution, answers: set[tuple[str, str, str]]) -> bool:
        if not each.request_id:
            return True
        request = (each.key.namespace, each.request_id)
        first = self._first[request]
        same = first.key == each.key and first.request_digest == each.request_digest
        return same and ("claimed", *request) in answers

    async def _resolved(self, borrowed: Connection, places: Sequence[int]) -> dict[int, CreateResult]:
        asked = [self._executions[place] for place in places]
        rows = await borrowed.fetch(
            _RESOLVE,
            [each.key.namespace for each in asked],
            [each.request_id for each in asked],
            [each.key.execution_id for each in asked],
        )
        return {place: _resolve(each, row) for place, each, row in zip(places, asked, rows, strict=True)}


def _resolve(asked: NewExecution, row: asyncpg.Record) -> CreateResult:
    key = ExecutionKey(asked.key.namespace, row["answer"])
    if row["digest_used"] is not None and row["digest_used"] != asked.request_digest:
        return CreateResult(CreateStatus.REQUEST_MISMATCH, key)
    if row["request_digest"] is None:
        raise StoreUnavailable(f"execution {key} was removed at this moment")
    if row["request_digest"] != asked.request_digest:
        return CreateResult(CreateStatus.EXECUTION_EXISTS, key)
    return CreateResult(CreateStatus.REPLAYED, key)


def _columns(executions: Sequence[NewExecution]) -> tuple[object, ...]:
    return (
        [each.key.namespace for each in executions],
        [each.key.execution_id for each in executions],
        [each.partition for each in executions],
        [each.workflow_name for each in executions],
        [each.workflow_version for each in executions],
        [each.workflow_digest for each in executions],
        [each.request_id for each in executions],
        [each.request_digest for each in executions],
        [orjson.dumps(dict(each.labels)).decode() for each in executions],
        [encode_payload(each.input) for each in executions],
        [each.traceparent for each in executions],
        [each.created_at for each in executions],
    )
