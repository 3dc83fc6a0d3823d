"""`verify`: judge what is stored, and what clients were told."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowmesh_services.cli.documents import render
from flowmesh_services.cli.errors import CommandError
from flowmesh_services.cli.options import Output, OutputFormat
from flowmesh_services.cli.server_commands import run_to_end, settings_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flowmesh_core.application.verify import Report, Tally


_LINES_AT_ONCE = 100


def verify(
    settled: Annotated[
        bool, typer.Option("--settled", help="The load has ended: all must be closed, and queues empty.")
    ] = False,
    max_age: Annotated[
        float | None, typer.Option(help="Seconds after which an open execution is a violation.", min=0)
    ] = None,
    log: Annotated[
        list[Path] | None,
        typer.Option(help="A log of what clients were told, JSON lines; may be given several times."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(help="How often attempts may have run again; any number by default.", min=0),
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Check the invariants of everything stored, without changing it; exits 1 on a violation.

    Reads the PostgreSQL and the Redis of the settings, also while the system works.
    """
    from flowmesh_core.application.verify import VerifyOptions
    from flowmesh_services.bootstrap import verify as check

    options = VerifyOptions(is_settled=settled, maximum_age=max_age, repeats=repeats)
    lines = _side_by_side([_LogFile(path) for path in log or ()])
    report = run_to_end(check(settings_or_fail(), options, lines))
    text = render(_document(report)) if output is OutputFormat.JSON else "\n".join(_lines(report))
    typer.echo(text)
    raise typer.Exit(1 if report.violations else 0)


def _side_by_side(files: Sequence[_LogFile]) -> Iterator[str]:
    """Yield the lines of each file in order, and of all so that they come to their ends together.

    They were written at the same time, so what they say of one execution comes close together.
    """
    waiting = [(0.0, number) for number in range(len(files))]
    lines = [file.lines() for file in files]
    while waiting:
        _, number = heappop(waiting)
        some = list(islice(lines[number], _LINES_AT_ONCE))
        yield from some
        if some:
            heappush(waiting, (files[number].part_read, number))


class _LogFile:
    """The lines that a file holds when it is named, not those that are added later.

    Attributes:
        part_read: How much of it was read, from 0 to 1.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._size = path.stat().st_size
            self._path = path
        except OSError as error:
            raise CommandError(f"cannot read {path}: {error.strerror}") from error
        self.part_read = 0.0

    def lines(self) -> Iterator[str]:
        """Read it once."""
        read = 0
        with self._path.open("rb") as lines:
            while read < self._size and (line := lines.readline(self._size - read)):
                read += len(line)
                self.part_read = read / self._size
                yield line.decode(errors="replace")


def _document(report: Report) -> dict[str, object]:
    invariants = {tally.invariant.value: _tally_document(tally) for tally in report}
    return {"violations": report.violations, "invariants": invariants}


def _tally_document(tally: Tally) -> dict[str, object]:
    return {
        "title": tally.title,
        "checked": tally.checked,
        "violations": tally.violations,
        "notes": tally.notes,
        "samples": tally.samples,
    }


def _lines(report: Report) -> Iterator[str]:
    for tally in report:
        state = "VIOLATED" if tally.violations else "holds" if tally.checked else "not checked"
        numbers = [f"{tally.checked:,} checked", f"{tally.violations:,} violations"]
        numbers += [f"{count:,} {what}" for what, count in tally.notes.items()]
        yield f"{tally.invariant.value:<4} {state:<12} {tally.title}: {', '.join(numbers)}"
        yield from (f"       {sample}" for sample in tally.samples)
    yield f"{report.violations:,} violations"
