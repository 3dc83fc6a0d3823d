"""What processes use, as /proc has it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """CPU seconds and the peak of resident memory in MiB, by name; `machine` is all CPU seconds in use."""

    cpu: Mapping[str, float]
    peak_mib: Mapping[str, float]
    machine: float


def usage(processes: Mapping[str, int]) -> Usage:
    """Read what each process has used since it started, its descendants included."""
    families = {name: [pid, *descendants(pid)] for name, pid in processes.items()}
    return Usage(
        {name: sum(map(_cpu_seconds, family)) for name, family in families.items()},
        {name: sum(map(_peak_mib, family)) for name, family in families.items()},
        _machine_seconds(),
    )


def reset_peaks(pids: Iterable[int]) -> None:
    """Let the peaks of memory begin anew."""
    for pid in pids:
        for each in (pid, *descendants(pid)):
            with suppress(OSError):  # it has just ended
                (_PROC / str(each) / "clear_refs").write_text("5")


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    found: list[int] = []
    for task in (_PROC / str(pid) / "task").glob("*/children"):
        with suppress(OSError):  # it has just ended
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def command(pid: int) -> str:
    """Return the command line of a process; nothing when it is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has in use; none when it is gone."""
    try:
        pages = (_PROC / str(pid) / "statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGESIZE")


def _cpu_seconds(pid: int) -> float:
    """Of a process and the children that it waited for; nothing when it is gone."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) * _TICK


def _peak_mib(pid: int) -> float:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _machine_seconds() -> float:
    user, nice, system, _idle, _iowait, irq, softirq, *_ = (
        (_PROC / "stat").read_text().splitlines()[0].split()[1:]
    )
    return sum(map(int, (user, nice, system, irq, softirq))) * _TICK
