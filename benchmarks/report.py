"""What the pages weigh and how long they take, and how often an ordinary hour has a coloured cell on the trend page.

    python -m benchmarks.report [--columns N …] [--sets N]

writes benchmarks/results/report.json and report.md. Goals of the issue: a report of 60 columns below 1 MB.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown
from monitoring import Baseline, Monitor
from monitoring.findings.unusual import FLOOR, unusual_since, unusualness
from monitoring.report import page, trend
from monitoring.result import Grade, RunResult, Status
from monitoring.trend_data import TrendCell, TrendColumn, TrendResult, TrendWindow

ROWS, HOURS, COLUMNS = 20_000, 168, 25
START = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def generated(columns: int, seed: int, shift: float) -> pa.Table:
    """Returns rows of numbers, whole numbers and texts in turn; a third of the columns is shifted."""
    rng = np.random.default_rng(seed)
    table = {}
    for at in range(columns):
        values = rng.normal(shift if at % 3 == 0 else 0.0, 1.0, ROWS)
        kind = at % 4
        texts = np.array([f"category {code}" for code in range(40)])
        whole = np.rint(values * 5)
        table[f"feature_{at:03}"] = (
            whole if kind == 1 else texts[np.clip(whole.astype(int) + 20, 0, 39)] if kind == 2 else values
        )
    return pa.table(table)


def run_of(columns: int) -> RunResult:
    """Returns the result of a window with shifted columns."""
    baseline = Baseline.from_training(generated(columns, 1, 0.0))
    return Monitor(baseline, shuffles=99).run(generated(columns, 2, 0.6)).result


def trend_of(result: RunResult) -> TrendResult:
    """Returns a trend of a week with the run's columns."""
    rng = np.random.default_rng(3)
    windows = tuple(
        TrendWindow(START + at * HOUR, START + (at + 1) * HOUR, 900, 50, True, f"{at}/report.html")
        for at in range(HOURS)
    )
    columns = []
    for column in result.columns:
        grades = rng.choice([Grade.NONE, Grade.SMALL, Grade.LARGE], HOURS, p=[0.9, 0.05, 0.05])
        cells = tuple(TrendCell(Grade(grade), 0.12, 1.1) for grade in grades)
        since = unusual_since([cell.grade for cell in cells])
        start = None if since is None else windows[since].start
        columns.append(TrendColumn(column.name, False, Status.NO_DRIFT, Grade.NONE, cells, start, 0.4))
    return TrendResult(result.subject, result.created, "hour", windows, tuple(columns), report="report.html")


def coloured_share(units: int, sets: int) -> tuple[float, float]:
    """Returns mean and maximum, over sets of ordinary hours, of the share of ordinary hours with a coloured cell."""
    shares = []
    for seed in range(sets):
        rng = np.random.default_rng(seed)
        hours, ordinary = rng.beta(2, 20, (1000, COLUMNS)), rng.beta(2, 20, (units, COLUMNS))
        unusual, threshold = unusualness(hours, ordinary)
        shares.append(float(((unusual > threshold) & (hours >= FLOOR)).any(axis=1).mean()))
    return float(np.mean(shares)), float(np.max(shares))


def measure_pages(columns: int) -> list[dict[str, object]]:
    """Returns size and time of both pages."""
    result = run_of(columns)
    week = trend_of(result)
    found: list[dict[str, object]] = []
    writers: dict[str, Callable[[], str]] = {"report": lambda: page.render(result), "trend": lambda: trend.render(week)}
    for name, write in writers.items():
        begin = time.perf_counter()
        size = len(write().encode())
        seconds = round(time.perf_counter() - begin, 2)
        found.append({"page": name, "columns": columns, "bytes": size, "seconds": seconds})
    return found


def measure_hours(units: int, sets: int) -> dict[str, object]:
    """Returns how often an ordinary hour has a coloured cell."""
    mean, largest = coloured_share(units, sets)
    return {"ordinary_hours": units, "mean_share": round(mean, 4), "largest_share": round(largest, 4)}


def table(pages: Sequence[dict[str, Any]], hours: Sequence[dict[str, Any]]) -> str:
    """Returns both tables for a person."""
    sizes = [[row["page"], row["columns"], f"{row['bytes'] / 1000:.0f}", row["seconds"]] for row in pages]
    shares = [[row["ordinary_hours"], f"{row['mean_share']:.1%}", f"{row['largest_share']:.1%}"] for row in hours]
    return "\n\n".join(
        [
            markdown(["page", "columns", "kB", "seconds"], sizes),
            markdown(["hours of the baseline", "ordinary hours with a coloured cell", "in the worst set"], shares),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, nargs="+", default=[25, 60, 200])
    parser.add_argument("--sets", type=int, default=40, help="generated sets of ordinary hours (default 40)")
    args = parser.parse_args(arguments)
    pages = [row for columns in args.columns for row in measure_pages(columns)]
    hours = [measure_hours(units, args.sets) for units in (20, 80, 300)]
    text = table(pages, hours)
    coloured = {"sets": args.sets, "columns": COLUMNS, "hours": hours}
    write_results("report", {"machine": machine(), "pages": pages, "coloured": coloured}, text)
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
