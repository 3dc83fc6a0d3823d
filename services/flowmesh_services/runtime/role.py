"""A role as data: what it serves, what it runs, how it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc


@dataclass(frozen=True, slots=True)
class Service:
    """A gRPC service.

    Attributes:
        name: Its full name, such as `flowmesh.v1.SubmissionService`.
        register: Adds its servicer to a server.
    """

    name: str
    register: Callable[[grpc.aio.Server], None]


@dataclass(frozen=True, slots=True)
class Background:
    """A loop that runs until it is cancelled; its failure ends the process.

    Attributes:
        name: What logs and task names call it.
        run: Makes the coroutine.
    """

    name: str
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ServedRole:
    """A part of the system that a process can play, alone or beside others.

    Attributes:
        name: As the command line spells it.
        services: What it answers.
        background: What it does by itself.
        drain: Stops taking new work and finishes or hands back what it has, its
            streams included. Called once, before the server and the background end.
    """

    name: str
    services: tuple[Service, ...] = ()
    background: tuple[Background, ...] = ()
    drain: Callable[[], Awaitable[None]] | None = None
