"""Evidently itself on a sample of the cells, to check that the reimplementation in `drift_rivals` says what it says.

The package has an environment of its own (`benchmarks/work/evidently`), because it wants an older pandas; `uv` makes it. Both
sides of each run are written as Parquet, and a script in that environment runs `DataDriftPreset` with its defaults.

    python -m benchmarks.drift_evidently      results/drift_evidently.{json,md}
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from benchmarks import drift_rivals, drift_worlds
from benchmarks.drift_columns import Column
from benchmarks.drift_flights import flights
from benchmarks.drift_runs import draw
from benchmarks.drift_worlds import Pool
from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown
from monitoring.drift.sample import Ints

PACKAGE = "evidently==0.7.23"
WORK = Path(__file__).parent / "work" / "evidently"
_SCRIPT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
for line in sys.stdin:
    base, wind, categories = json.loads(line)
    frames = [pd.read_parquet(path) for path in (base, wind)]
    names = list(frames[0].columns)
    definition = DataDefinition(
        numerical_columns=[n for n in names if n not in categories], categorical_columns=categories
    )
    sides = [Dataset.from_pandas(frame, data_definition=definition) for frame in frames]
    found = Report([DataDriftPreset()]).run(sides[1], sides[0]).dict()
    drifted = {}
    for metric in found["metrics"]:
        config = metric.get("config", {})
        if config.get("type", "").endswith("ValueDrift"):
            method, value = config["method"], float(metric["value"])
            smaller = "p_value" in method
            threshold = config["threshold"]
            drifted[config["column"]] = bool(value < threshold if smaller else value >= threshold)
    print(json.dumps(drifted), flush=True)
"""


def environment() -> Path:
    """Returns the interpreter of an environment that has the package; makes it where it is missing."""
    python = WORK / "bin" / "python"
    ready = WORK / "ready"
    if not ready.exists():
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, WORK], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", python, PACKAGE, "pandas<3", "pyarrow"], check=True
        )
        ready.touch()
    return python


def frame(pool: Pool, requests: Ints) -> pd.DataFrame:
    """Returns the rows of some requests, request-level values repeated, as Evidently's users have them."""
    sizes = pool.sizes[requests]
    return pd.DataFrame({column.name: _values(column, requests, sizes) for column in pool.columns})


def _values(column: Column, requests: Ints, sizes: Ints) -> Any:
    values = column.values[column.rows(requests)]
    if column.request_level:
        values = np.repeat(values, sizes)
    if column.categorical:
        return pd.Series([None if np.isnan(v) else f"v{int(v)}" for v in values], dtype=object)
    return values


def main() -> None:
    """Runs a sample of the cells through the package and through the reimplementation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift_evidently", description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=10, help="runs of each cell (default 10)")
    given = parser.parse_args()
    rng = np.random.default_rng(7)
    year = flights()
    mixed = drift_worlds.mixed(2600, 20, rng)
    cells = [("ICC 0 to 1, 20 columns", mixed, np.arange(2600), rows, rows // 14) for rows in (200, 1000, 5000)] + [
        ("flights, 23 columns", Pool(year.columns, year.size), year.of_months(1, 2, 3), 1000, 1000 // 17)
    ]
    script = WORK.parent / "evidently_run.py"
    python = environment()
    script.write_text(_SCRIPT)
    found = []
    with subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name, pool, requests, rows, window in cells:
            package = ours = agree = columns = 0
            for _ in range(given.runs):
                drawn = draw(requests, window, pool.sizes, rng)
                paths = [WORK.parent / f"{side}.parquet" for side in ("baseline", "window")]
                for path, side in zip(paths, (drawn.baseline, drawn.window), strict=True):
                    frame(pool, side).to_parquet(path)
                categories = [c.name for c in pool.columns if c.categorical]
                process.stdin.write(msgspec.json.encode([*map(str, paths), categories]).decode() + "\n")
                process.stdin.flush()
                said = msgspec.json.decode(process.stdout.readline())
                mine = {
                    c.name: drift_rivals.judge(c, drawn.baseline, drawn.window, pool.sizes, rng).evidently
                    for c in pool.columns
                }
                package += any(said.values())
                ours += any(mine.values())
                agree += sum(said[n] == mine[n] for n in mine)
                columns += len(mine)
            found.append(
                {"world": name, "rows": rows, "runs": given.runs, "package": package, "reimplemented": ours,
                 "columns_alike": agree, "columns": columns}
            )  # fmt: skip
            print(found[-1], file=sys.stderr, flush=True)
        process.stdin.close()
    head = ["world", "rows", "runs", "package alarms", "reimplementation alarms", "columns judged alike (%)"]
    table = markdown(
        head,
        [
            [c["world"], f"{c['rows']:,}", c["runs"], c["package"], c["reimplemented"],
             f"{100 * c['columns_alike'] / c['columns']:.1f}"]
            for c in found
        ],
    )  # fmt: skip
    text = f"{PACKAGE}, `DataDriftPreset` with its defaults, runs without a change that name any column.\n\n{table}"
    write_results("drift_evidently", {"machine": machine(), "package": PACKAGE, "cells": found}, text)
    print(text)


if __name__ == "__main__":
    main()
