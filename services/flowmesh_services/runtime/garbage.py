"""When the garbage collector may stop a server."""

from __future__ import annotations

import gc

_YOUNG, _MIDDLE, _OLD = 10_000, 10, 50


def collect_rarely() -> None:
    """Let full collections come after millions of new objects instead of after thousands.

    One walks over everything in memory while nothing else runs: a third of a second
    beside a graph of 100,000 nodes, whose planning alone caused a dozen of them.
    What exists by now stays until the end and is not walked over again.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
