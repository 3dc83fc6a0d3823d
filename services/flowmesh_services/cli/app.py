"""The command line: which commands there are, and how every one of them fails."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer
from typer.exceptions import TyperException

from flowmesh import FlowmeshError
from flowmesh_services.cli import execution_commands, server_commands, workflow_commands
from flowmesh_services.cli.errors import CommandError
from flowmesh_services.cli.verify_command import verify
from flowmesh_services.cli.worker_command import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130

_COMMANDS: dict[str, Callable[..., None]] = {
    "dev": server_commands.dev,
    "serve": server_commands.serve,
    "migrate": server_commands.migrate,
    "health": server_commands.health,
    "verify": verify,
    "validate": workflow_commands.validate,
    "register": workflow_commands.register,
    "submit": workflow_commands.submit,
    "get": execution_commands.get,
    "list": execution_commands.list_executions,
    "watch": execution_commands.watch,
    "events": execution_commands.events,
    "cancel": execution_commands.cancel,
    "worker": worker,
    "workers": execution_commands.workers,
}


def build_app() -> typer.Typer:
    """Gather the commands."""
    app = typer.Typer(
        name="flowmesh",
        help="Durable workflows over gRPC.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    for name, command in _COMMANDS.items():
        app.command(name)(command)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command = typer.main.get_command(build_app())
        code = command.main(args=words or ["--help"], prog_name="flowmesh", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _nobody_reads()
    except Exception as error:  # noqa: BLE001 - a traceback must never reach a user
        return _report(error)
    return code if isinstance(code, int) else 0


def _report(error: Exception) -> int:
    match error:
        case TyperException():
            said = " ".join(error.format_message().split()).replace("Value error, ", "")
            return _fail(said + _hint(error), error.exit_code)
        case CommandError() | FlowmeshError():
            return _fail(str(error), FAILED)
        case UnicodeEncodeError(encoding="utf-8"):
            return _fail("an argument is not UTF-8", WRONG_USAGE)
    if os.environ.get("FLOWMESH_DEBUG"):
        raise error
    causes = "; ".join(f"{type(cause).__name__}: {cause}" for cause in _causes(error))
    return _fail(f"unexpected {causes} (FLOWMESH_DEBUG=1 shows where)", FAILED)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what failed in a group of tasks, instead of the group."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _causes(part)
    else:
        yield error


def _fail(message: str, code: int) -> int:
    print(f"flowmesh: {message}", file=sys.stderr)
    return code


def _hint(error: TyperException) -> str:
    """Say where help is, when the error knows which command it is about."""
    context = getattr(error, "ctx", None)
    return "" if context is None else f" (see {context.command_path} --help)"


def _nobody_reads() -> int:
    """End quietly when the reader of a pipe went away; what is still buffered goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED
