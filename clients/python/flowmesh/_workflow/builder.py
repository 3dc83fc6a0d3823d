"""Workflows, built by referencing functions."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from flowmesh import _json, _task
from flowmesh._workflow import file, model, references
from flowmesh._workflow.model import Node
from flowmesh._workflow.policy import RetryPolicy, Timeouts
from flowmesh._workflow.references import Reference
from flowmesh.v1 import workflow_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9_]")


class NodeReference:
    """A node of a workflow under construction.

    Attributes:
        id: The id of the node.
        output: What it will return; index it to reach inside.
    """

    __slots__ = ("id", "output")

    def __init__(self, node_id: str) -> None:
        self.id = node_id
        self.output = Reference(f"{node_id}.output")

    def __repr__(self) -> str:
        return f"NodeReference({self.id!r})"


class Workflow:
    """A named graph of tasks.

        wf = Workflow("report")
        page = wf.node(fetch, url="{{ input.url }}")
        wf.node(parse, text=page.output["body"])

    Attributes:
        name: What people call it.
        input: The input of an execution, to be referenced in configs.
    """

    input: Final = Reference("input")

    def __init__(self, name: str, nodes: Iterable[Node] = ()) -> None:
        self.name = name
        self._nodes = list(nodes)
        self._ids = {node.id for node in self._nodes}

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes in the order they were added."""
        return tuple(self._nodes)

    def node(
        self,
        handler: Callable[..., Any] | str,
        /,
        *,
        id: str = "",  # noqa: A002 - the word of the contract
        after: Iterable[NodeReference | str] = (),
        condition: str = "",
        retry: RetryPolicy | None = None,
        timeout: timedelta | None = None,
        heartbeat_timeout: timedelta | None = None,
        config: Mapping[str, Any] | None = None,
        **arguments: Any,  # noqa: ANN401 - any JSON value or reference
    ) -> NodeReference:
        """Add a node.

        Args:
            handler: A function made a task by `@task`, or the name of a handler.
            id: Its id; made from the name of the handler when empty.
            after: Nodes that must end first, beside those it refers to.
            condition: A CEL expression that decides whether it runs.
            retry: How failed attempts are tried again; the policy of the task by default.
            timeout: The longest one attempt may run.
            heartbeat_timeout: The longest silence between heartbeats of the handler.
            config: Arguments for the handler whose names are taken by this method.
            arguments: Arguments for the handler. They may hold references and
                templates; a node that one of them names becomes a dependency.

        Raises:
            ValueError: The id is taken, or an argument is given twice.
            TypeError: The handler is a function that is not a task.
        """
        name, default_retry = _handler(handler)
        node_id = id or self._free_id(name)
        if node_id in self._ids:
            raise ValueError(f"the workflow has a node {node_id!r} already")
        settled = references.rendered(_merged(config or {}, arguments))
        self._nodes.append(
            Node(
                id=node_id,
                handler=name,
                dependencies=self._dependencies(after, settled, condition),
                config=settled,
                condition=condition,
                retry=retry or default_retry or RetryPolicy(),
                timeouts=Timeouts(start_to_close=timeout, heartbeat=heartbeat_timeout),
            )
        )
        self._ids.add(node_id)
        return NodeReference(node_id)

    def _free_id(self, handler: str) -> str:
        base = _NOT_IN_IDS.sub("_", handler)
        base = f"_{base}" if base[:1].isdigit() else base
        number, found = 1, base
        while found in self._ids or found in references.RESERVED:
            number += 1
            found = f"{base}_{number}"
        return found

    def _dependencies(
        self, after: Iterable[NodeReference | str], config: object, condition: str
    ) -> tuple[str, ...]:
        named = [node if isinstance(node, str) else node.id for node in after]
        mentioned = references.names_in_config(config) + references.names_in_expression(condition)
        return tuple(dict.fromkeys(named + [name for name in mentioned if name in self._ids]))

    def to_dict(self) -> dict[str, Any]:
        """The workflow in the shape of its JSON."""
        return {"name": self.name, "dag": {"nodes": [model.node_to_dict(node) for node in self.nodes]}}

    def to_json(self, *, indent: int | None = None) -> str:
        """The workflow as JSON.

        Raises:
            EncodingError: A config is not JSON.
        """
        text = _json.encode(self.to_dict()).decode()
        return text if indent is None else json.dumps(json.loads(text), ensure_ascii=False, indent=indent)

    def to_proto(self) -> workflow_pb2.Workflow:
        """The workflow as a message, every config as exact bytes.

        Raises:
            EncodingError: A config is not JSON.
        """
        dag = workflow_pb2.Dag(nodes=map(model.node_to_proto, self.nodes))
        return workflow_pb2.Workflow(name=self.name, dag=dag)

    @classmethod
    def from_proto(cls, message: workflow_pb2.Workflow) -> Workflow:
        """The workflow of a message that has its configs as bytes, as the server sends it."""
        return cls(message.name, map(model.node_from_proto, message.dag.nodes))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Workflow:
        """Read the shape of `to_dict`, strictly.

        Raises:
            WorkflowFileError: Every problem, each with the path of its field.
        """
        return cls(*file.read(value))

    @classmethod
    def from_json(cls, text: str | bytes) -> Workflow:
        """Read the JSON of `to_json`, strictly.

        Raises:
            WorkflowFileError: Every problem, each with the path of its field.
        """
        return cls(*file.read(file.parse(text)))


def _handler(handler: Callable[..., Any] | str) -> tuple[str, RetryPolicy | None]:
    if isinstance(handler, str):
        return handler, None
    definition = _task.definition_of(handler)
    return definition.name, definition.retry


def _merged(config: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    twice = sorted(config.keys() & arguments.keys())
    if twice:
        raise ValueError(f"given both in config and by name: {', '.join(twice)}")
    return {**config, **arguments}
