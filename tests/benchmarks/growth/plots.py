"""Draws the curves: `python -m tests.benchmarks.growth.plots GROWTH.json FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT, _DPI = 3.6, 2.8, 80


def draw(curve: dict[str, Any], path: Path) -> None:
    """Draw each cost of a curve against its size, both as logarithms, with how it may grow beside it."""
    metrics = curve["metrics"]
    figure = Figure(figsize=(_WIDTH * len(metrics), _HEIGHT), layout="constrained")
    axes = figure.subplots(1, len(metrics), squeeze=False)
    for metric, axis in zip(metrics, axes[0], strict=True):
        _draw_metric(curve, metric, axis)
    figure.suptitle(curve["title"], fontsize=10)
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})


def _draw_metric(curve: dict[str, Any], metric: dict[str, Any], axis: Axes) -> None:
    points = [(point["size"], point[metric["key"]]) for point in curve["points"] if point[metric["key"]] > 0]
    if not points:
        return
    sizes, costs = zip(*points, strict=True)
    power = 1 if metric["linear"] else 0
    allowed = [costs[-1] * (size / sizes[-1]) ** power for size in sizes]
    axis.loglog(sizes, allowed, "--", color="0.7", label="linear" if power else "flat")
    axis.loglog(sizes, costs, "o-", color="tab:red" if metric["steeper"] else "tab:blue")
    axis.set_ylim(min(costs) / 3, max(costs) * 3)
    axis.set_title(f"{metric['label']}, exponent {metric['exponent']:.2f}", fontsize=8)
    axis.set_xlabel(curve["unit"], fontsize=8)
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=7, frameon=False)


def main() -> None:
    """Draw every curve of a file."""
    file, folder = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    for name, curve in json.loads(file.read_text()).items():
        draw(curve, folder / f"{name}.png")


if __name__ == "__main__":
    main()
