"""Measures how costs grow: `make bench-growth [CURVES="nodes open"]`."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from tests.benchmarks.growth.curves import CURVES, Curve
from tests.benchmarks.growth.judging import is_steeper, tail_exponent
from tests.benchmarks.results import aligned, machine

Found = dict[str, Any]


async def measured(curve: Curve, largest: int) -> Found:
    """Measure a curve as far as it is wanted."""
    sizes = [size for size in curve.sizes if size <= largest]
    points: list[dict[str, float]] = []
    async for point in curve.measure(sizes):
        points.append({"size": sizes[len(points)], **point})
        print({name: number(value) for name, value in points[-1].items()}, flush=True)
    return {"title": curve.title, "unit": curve.unit, "points": points, "metrics": judged(curve, points)}


def judged(curve: Curve, points: list[dict[str, float]]) -> list[Found]:
    """Judge the growth of each cost."""
    sizes = [point["size"] for point in points]
    verdicts = []
    for metric in curve.metrics:
        found = tail_exponent(sizes, [point[metric.key] for point in points])
        verdicts.append({**vars(metric), "exponent": found, "steeper": is_steeper(metric, found)})
    return verdicts


def table(curves: Found) -> str:
    """Return the verdicts for people."""
    rows = [("curve", "cost", "from", "to", "should be", "exponent", "")]
    for name, curve in curves.items():
        first, last = curve["points"][0], curve["points"][-1]
        for metric in curve["metrics"]:
            key = metric["key"]
            rows.append(
                (
                    f"{name}, {first['size']:,} to {last['size']:,} {curve['unit']}",
                    metric["label"],
                    number(first[key]),
                    number(last[key]),
                    "linear" if metric["linear"] else "flat",
                    f"{metric['exponent']:.2f}",
                    "STEEPER" if metric["steeper"] else "",
                )
            )
    return "\n".join(aligned(rows))


def number(value: float) -> str:
    """Return three digits of a number that matter."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    """Measure curves, one after another, and keep those that were measured before."""
    parser = argparse.ArgumentParser()
    parser.add_argument("curves", nargs="*", choices=[*CURVES, []])
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path, default=Path(".cache/bench/growth.json"))
    options = parser.parse_args()
    found: Found = json.loads(options.file.read_text()) if options.file.exists() else {}
    options.file.parent.mkdir(parents=True, exist_ok=True)
    for name in options.curves or CURVES:
        print(f"{name}:", flush=True)
        curve = asyncio.run(measured(CURVES[name], options.largest))
        found[name] = {**curve, "machine": machine()}
        options.file.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
