"""How often the drift decision is right, beside what people use instead.

Four questions: how often a run alarms where nothing changed; which changes are found; what April, July and October look like
to each method; and whether ordinary days and whole months keep their promise.

    python -m benchmarks.drift_decision           the short form, minutes: results/drift_decision_short.{json,md}
    python -m benchmarks.drift_decision --full    the full form, hours: results/drift_decision.{json,md}

The full form writes its results after each part, so that a stopped run leaves what it has. It may be divided: `--parts` and
`--seed` of several processes, each with an `--output` of its own, and `--merge` of their files.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from sklearn import datasets
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks import drift_columns, drift_rivals, drift_worlds
from benchmarks.drift_by_hour import flights_by_hour, rolling_reference
from benchmarks.drift_by_time import SHRINKAGES, Season, flights_by_day, month_of
from benchmarks.drift_columns import Column
from benchmarks.drift_flights import flights
from benchmarks.drift_runs import SHUFFLES, Counted, Tally, against, false_alarms, power
from benchmarks.drift_tables import tables
from benchmarks.drift_worlds import Pool
from benchmarks.machine import RESULTS, machine, write_results
from examples.flights import data
from monitoring.drift.decision import decide
from monitoring.drift.sample import Ints

ROWS_A_REQUEST = 14
RUNS_OF_RIVALS = 100
ROUNDS, RUNS_OF_ROUND = 10, 100
"""A thousand runs a cell: a share of 5 % has a standard error of 0.7 %."""


@dataclass(frozen=True)
class Cell:
    """One cell of the false alarms. `make` draws a pool, which serves a round of runs."""

    world: str
    rows: int
    window: int
    make: Callable[[np.random.Generator], Pool]
    one_sample: bool = False
    rivals: bool = True
    requests: Callable[[], Ints] | None = None


@dataclass
class Found:
    """What the benchmark found so far."""

    false_alarms: FalseAlarms = field(default_factory=lambda: FalseAlarms())
    power: list[dict[str, Any]] = field(default_factory=list)
    real: dict[str, Any] = field(default_factory=dict)
    by_day: dict[str, Any] = field(default_factory=dict)
    months: list[dict[str, Any]] = field(default_factory=list)
    hours: dict[str, Any] = field(default_factory=dict)


def cells() -> list[Cell]:
    """Returns the cells of the false alarms, cheap ones first."""

    def world(make: Callable[..., Pool], columns: int, pool: int = 4000, **options: Any) -> Callable[..., Pool]:
        return lambda rng: make(pool, columns, rng, **options)

    mixed = drift_worlds.mixed
    found = [
        Cell("ICC 0 to 1, 10 columns", rows, rows // ROWS_A_REQUEST, world(mixed, 10), one_sample=True)
        for rows in (200, 1000, 5000)
    ]
    found += [
        Cell("flights, 23 columns", rows, rows // 17, lambda rng: _flights_pool(), one_sample=True, requests=_early)
        for rows in (200, 1000, 5000, 40000)
    ]
    found += [Cell("weather, 9 columns", rows, rows // 3, _weather) for rows in (210, 1000)]
    found += [Cell("digits, 64 columns", rows, rows, _digits, rivals=False) for rows in (50, 300)]
    for name, make in (
        ("zero-inflated, 20 columns", drift_worlds.zero_inflated),
        ("tails of t1, t2 and Pareto, 20 columns", drift_worlds.heavy),
        ("seasonal, 20 columns", drift_worlds.seasonal),
        ("each column like the last, 20 columns", drift_worlds.autoregressive),
    ):
        found += [Cell(name, rows, rows // ROWS_A_REQUEST, world(make, 20)) for rows in (1000, 5000)]
    found.append(Cell("ICC 0, 50 columns", 1000, 1000 // ROWS_A_REQUEST, world(mixed, 50, icc=(0.0,))))
    found += [
        Cell("ICC 0 to 1, 50 columns", rows, rows // ROWS_A_REQUEST, world(mixed, 50), one_sample=rows < 5000)
        for rows in (200, 1000, 5000)
    ]
    found.append(Cell("ICC 0 to 1, 50 columns", 50000, 50000 // ROWS_A_REQUEST, world(mixed, 50, pool=12500)))
    found.append(Cell("ICC 0 to 1, 200 columns", 1000, 1000 // ROWS_A_REQUEST, world(mixed, 200)))
    return found


def _flights_pool() -> Pool:
    year = flights()
    return Pool(year.columns, year.size)


def _early() -> Ints:
    return flights().of_months(1, 2, 3)


def _weather(rng: np.random.Generator) -> Pool:
    """Returns the hourly weather of 2013: a request is an hour with a row for each of three airports."""
    table = data.weather()
    hour = pd.factorize(table["event_time"], sort=True)[0]
    order = np.argsort(hour, kind="stable")
    sizes = np.bincount(hour)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    everything = np.ones(len(table), bool)
    columns = tuple(
        drift_columns.numeric(name, table[name].to_numpy(np.float64)[order], starts, everything, False)
        for name in data.WEATHER
    )
    return Pool(columns, sizes.astype(np.int64))


def _digits(rng: np.random.Generator) -> Pool:
    """Returns scikit-learn's digits: 1,797 requests of one row, 64 columns of few values, most of them often 0."""
    values = datasets.load_digits().data
    starts = np.arange(len(values) + 1)
    everything = np.ones(len(values), bool)
    columns: list[Column] = [
        drift_columns.numeric(f"pixel{k}", values[:, k].astype(np.float64), starts, everything, False)
        for k in range(values.shape[1])
    ]
    return Pool(tuple(columns), np.ones(len(values), np.int64))


class FalseAlarms:
    """The false alarms of every cell, in rounds, so that a stopped run has all cells alike."""

    def __init__(self) -> None:
        self.tallies = [(cell, Tally()) for cell in cells()]

    def round(
        self, runs: int, rivals: int, rng: np.random.Generator, save: Callable[[str], None], *, ours_only: bool = False
    ) -> None:
        """Adds `runs` runs to every cell, of which the first also judge by the rivals until a cell has `rivals` of these.

        `ours_only`: leaves out the form for a baseline without units, and makes half as many shuffles.
        """
        for cell, tally in self.tallies:
            begun = time.monotonic()
            pool = cell.make(rng)
            counted = [Counted.of(column) for column in pool.columns]
            requests = cell.requests() if cell.requests else np.arange(len(pool.sizes))
            false_alarms(
                pool, counted, requests, cell.window, runs, tally, rng,
                rivals=max(0, min(runs // 4, rivals - tally.rival_runs)) if cell.rivals else 0,
                one_sample=runs if cell.one_sample and not ours_only else 0,
                shuffles=SHUFFLES // 2 if ours_only else SHUFFLES,
            )  # fmt: skip
            save(f"{cell.world}, {cell.rows} rows: {tally.ours} of {tally.runs} ({time.monotonic() - begun:.0f} s)")

    def rows(self) -> list[dict[str, Any]]:
        """Returns the cells that have runs, as the result holds them."""
        return [
            {
                "world": cell.world,
                "rows": cell.rows,
                "requests": cell.window,
                "runs": tally.runs,
                "ours": tally.ours,
                "with_floor": tally.with_floor,
                "one_sample": tally.one_sample,
                "one_sample_runs": tally.one_sample_runs,
                "rival_runs": tally.rival_runs,
                "rivals": tally.rivals or {},
            }
            for cell, tally in self.tallies
            if tally.runs
        ]


def measure_power(
    found: Found, runs: int, rivals: int, sizes: Sequence[int], rng: np.random.Generator, save: Callable[[str], None]
) -> None:
    """Runs every change `runs` times for each size of window."""
    for rows in sizes:
        window = rows // ROWS_A_REQUEST
        cell: dict[tuple[str, str], dict[str, list[int]]] = {}
        for number in range(4):
            pool = drift_worlds.with_changes(12500 if rows > 5000 else 4000, 49, rng)
            counted = [Counted.of(column) for column in pool.columns]
            power(pool, counted, window, runs // 4, cell, rng, rivals=rivals // 4)
            save(f"power at {rows} rows, world {number + 1} of 4")
        found.power += [
            {"rows": rows, "column": column, "change": change, "methods": methods}
            for (column, change), methods in cell.items()
        ]


def measure_real(found: Found, rng: np.random.Generator, save: Callable[[str], None]) -> None:
    """Judges April, July and October against January to March, column by column."""
    year = flights()
    early = year.of_months(1, 2, 3)
    for name, number in (("April", 4), ("July", 7), ("October", 10)):
        window = year.of_months(number)
        drawn = against(rng.permutation(early), rng.permutation(window), year.size, rng)
        samples = [
            drift_columns.sample(
                column,
                (drawn.baseline, drawn.baseline_unit, int(drawn.baseline_unit[-1]) + 1),
                (drawn.window, drawn.window_unit, int(drawn.window_unit[-1]) + 1),
            )
            for column in year.columns
        ]
        decision = decide(samples, rng=rng, units=drawn.units)
        said = [drift_rivals.judge(column, early, window, year.size, rng) for column in year.columns]
        rivals = drift_rivals.columns_of(said)
        found.real[name] = [
            {
                "column": column.name,
                "status": str(column.status),
                "grade": str(column.grade),
                "p": column.p_value,
                "linf": column.linf,
                "shift": column.shift,
                "what": column.summary,
                "rivals": [rival for rival, alarms in rivals.items() if alarms[index]],
            }
            for index, column in enumerate(decision.columns)
        ]
        save(f"real drift, {name}: {len(decision.drifted)} of {len(samples)} columns")


def measure_by_day(found: Found, baselines: int, save: Callable[[str], None]) -> None:
    """Holds out ordinary days of the flights."""
    days = flights_by_day(flights(), baselines, save)

    def share(alarms: list[bool]) -> dict[str, int]:
        return {"alarms": int(sum(alarms)), "of": len(alarms)}

    found.by_day = {
        "shrinkages": list(SHRINKAGES),
        "held_out": {key: share(alarms) for key, alarms in days.held_out.items()},
        "days_1_to_10": {key: share(alarms) for key, alarms in days.days_1_to_10.items()},
        "days_11_to_30": {key: share(alarms) for key, alarms in days.days_11_to_30.items()},
        "months": {m: {key: share(alarms) for key, alarms in by.items()} for m, by in days.months.items()},
        "budget_weeks": share(days.weeks),
        "budget_30_days_after": share(days.after),
    }
    save("by day, done")


def measure_hours(found: Found, baselines: int, save: Callable[[str], None]) -> None:
    """Judges hours of the flights, and days against the 28 before."""
    found.hours = {"rolling": rolling_reference(flights())} | flights_by_hour(flights(), baselines, save)
    save("hours, done")


def measure_months(found: Found, runs: int, rng: np.random.Generator, save: Callable[[str], None]) -> None:
    """Runs months of 720 hours and 30 days."""
    for phi in (0.0, 0.5, 0.8):
        for shift in (0.0, 0.1, 0.2, 0.5):
            if phi == 0.8 and shift:
                continue
            season = Season(phi, shift=shift)
            months = [month_of(season, rng) for _ in range(runs if shift == 0 else max(20, runs // 4))]
            found.months.append(
                {
                    "phi": phi,
                    "shift": shift,
                    "months": len(months),
                    "alarms": {name: int(sum(month[name] for month in months)) for name in months[0]},
                }
            )
            save(f"months, correlation of days {phi}, shift {shift}")


PARTS = ("real", "days", "hours", "power", "months", "false-alarms")
SIZES = (200, 1000, 5000, 50000)


def main() -> None:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift_decision", description=__doc__.split("\n\n")[0])
    parser.add_argument("--full", action="store_true", help="the full form, hours on one core")
    parser.add_argument("--seed", type=int, default=20261)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--ours-only", action="store_true", help="false alarms of the test by units alone: the cheap part"
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="rows of the windows of the power")
    parser.add_argument("--output", help="name of the result (default drift_decision, or drift_decision_short)")
    parser.add_argument("--merge", nargs="+", type=Path, help="result files to merge instead of a run")
    given = parser.parse_args()
    name = given.output or ("drift_decision" if given.full else "drift_decision_short")
    if given.merge:
        result = merged([msgspec.json.decode(path.read_bytes()) for path in given.merge])
        write_results(name, result, tables(result))
        return
    rng = np.random.default_rng(given.seed)
    found, begun = Found(), time.monotonic()

    def save(what: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {what}", file=sys.stderr, flush=True)
        result = {
            "machine": machine(),
            "seed": given.seed,
            "full": given.full,
            "false_alarms": found.false_alarms.rows(),
            "power": found.power,
            "real": found.real,
            "by_day": found.by_day,
            "months": found.months,
            "hours": found.hours,
        }
        write_results(name, result, tables(result))

    full = given.full
    steps: list[tuple[str, Callable[[], None]]] = [
        ("real", lambda: measure_real(found, rng, save)),
        ("days", lambda: measure_by_day(found, 17 if full else 2, save)),
        ("hours", lambda: measure_hours(found, 17 if full else 1, save)),
        ("power", lambda: measure_power(found, 160 if full else 20, 60 if full else 8, given.sizes, rng, save)),
        ("months", lambda: measure_months(found, 240 if full else 20, rng, save)),
    ]
    rivals = 0 if given.ours_only else RUNS_OF_RIVALS if full else 10
    runs = RUNS_OF_ROUND if full else 40
    steps += [
        ("false-alarms", lambda: found.false_alarms.round(runs, rivals, rng, save, ours_only=given.ours_only))
        for _ in range(ROUNDS if full else 1)
    ]
    with threadpool_limits(1):
        for part, step in steps:
            if part in given.parts:
                step()
    print(tables(result_of(name)))


def merged(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns one result of several: false alarms added up, power by size, every other part from the last that has it."""
    total: dict[str, Any] = dict(results[0])
    total["seed"] = [result["seed"] for result in results]
    cells: dict[tuple[str, int], dict[str, Any]] = {}
    power: dict[tuple[int, str, str], dict[str, Any]] = {}
    for result in results:
        total.update({part: result[part] for part in ("real", "by_day", "months", "hours") if result.get(part)})
        power.update({(cell["rows"], cell["column"], cell["change"]): cell for cell in result["power"]})
        for cell in result["false_alarms"]:
            key = (cell["world"], cell["rows"])
            before = cells.get(key)
            if before is None:
                cells[key] = dict(cell)
                continue
            for name in ("runs", "ours", "with_floor", "one_sample", "one_sample_runs", "rival_runs"):
                before[name] += cell[name]
            before["rivals"] = {
                name: before["rivals"].get(name, 0) + cell["rivals"].get(name, 0)
                for name in (*before["rivals"], *cell["rivals"])
            }
    total["false_alarms"], total["power"] = list(cells.values()), list(power.values())
    return total


def result_of(name: str) -> dict[str, Any]:
    """Returns a result that was written before."""
    loaded: dict[str, Any] = msgspec.json.decode((RESULTS / f"{name}.json").read_bytes())
    return loaded


if __name__ == "__main__":
    main()
