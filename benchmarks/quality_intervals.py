"""How often the intervals of model quality hold the truth, by share of positives, requests and metric.

Cells are simulated in rounds of BLOCK windows each, so that all cells have about as many windows whenever the benchmark is
stopped. A cell in which fewer than MIN_GIVEN of the windows get an interval says "too few".
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality_worlds import World
from monitoring.quality.binary import binary_metrics
from monitoring.quality.bootstrap import make_intervals
from monitoring.quality.calibration import calibration_metrics
from monitoring.quality.ranking import rank_requests, ranking_metrics
from monitoring.quality.regression import regression_metrics
from monitoring.quality.units import group_units

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.quality.metric import MetricSums

RATES = (0.001, 0.01, 0.1, 0.5)
FULL_REQUESTS, SHORT_REQUESTS = (50, 200, 1000, 5000), (50, 200)
METRICS = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "auc",
    "brier_score",
    "calibration_gap",
    "ndcg_at_10",
    "mae",
    "rmse",
)
TRUTH_REQUESTS = 200_000
DRAWS = 400
BLOCK = 50
MIN_GIVEN = 0.1
"""Share of windows that must get an interval before a cell's coverage is counted: the others say "too few"."""
Cell = tuple[int, float]


def measure_intervals(
    full: bool, windows: int, processes: int, keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Returns the cells and a summary; `keep` gets what was found after each round."""
    requests = FULL_REQUESTS if full else SHORT_REQUESTS
    cells = [(count, rate) for count in requests for rate in RATES]
    given: dict[Cell, Counter[str]] = {cell: Counter() for cell in cells}
    held: dict[Cell, Counter[str]] = {cell: Counter() for cell in cells}
    done: Counter[Cell] = Counter()
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(processes, initializer=_start) as pool:
        for number in range(-(-windows // BLOCK)):
            tasks = [(cell, pool.submit(_block, cell, number)) for cell in reversed(cells)]
            for cell, task in tasks:
                block_given, block_held = task.result()
                given[cell].update(block_given)
                held[cell].update(block_held)
                done[cell] += BLOCK
            found = summarised(cells, given, held, done)
            keep(found)
            print(f"intervals, {done[cells[0]]} windows a cell: {found['summary']}", flush=True)
    return found


def summarised(
    cells: list[Cell], given: dict[Cell, Counter[str]], held: dict[Cell, Counter[str]], done: Counter[Cell]
) -> dict[str, Any]:
    """Returns the table of cells and the summary."""
    rows: list[list[Any]] = [["positives", "requests", "metric", "windows", "with an interval", "hold the truth"]]
    inside = judged = few = 0
    worst, shares = 0.0, []
    for cell in cells:
        for name in METRICS:
            count, windows = given[cell][name], done[cell]
            worst = max(worst, (count - held[cell][name]) / windows)
            text = "too few"
            if count < MIN_GIVEN * windows:
                few += 1
            else:
                share = held[cell][name] / count
                judged, inside, text = judged + 1, inside + (0.93 <= share <= 0.97), f"{share:.1%}"
                shares.append(share)
            rows.append([f"{cell[1]:.1%}", cell[0], name, windows, count, text])
    summary = (
        f'{inside} of {judged} cells, all between {min(shares, default=0):.1%} and {max(shares, default=0):.1%}; {few} cells say "too few" '
        f"in over 90 % of their windows; no cell shows an interval that misses in more than {worst:.1%} of its windows"
    )
    return {"cells": rows, "summary": summary}


_truths: dict[float, dict[str, float | None]] = {}


def _start() -> None:
    """Computes the truth in each process, once."""
    for rate in RATES:
        rng = np.random.default_rng(1)
        _truths[rate] = {metric.name: metric.value for metric in _window_metrics(rate, TRUTH_REQUESTS, rng)}


def _block(cell: Cell, number: int) -> tuple[dict[str, int], dict[str, int]]:
    """Returns how many of BLOCK windows gave an interval, and how many of these held the truth, by metric."""
    requests, rate = cell
    rng = np.random.default_rng([int(rate * 1000), requests, number])
    given, held = dict.fromkeys(METRICS, 0), dict.fromkeys(METRICS, 0)
    for _ in range(BLOCK):
        metrics = _window_metrics(rate, requests, rng)
        for metric, interval in zip(metrics, make_intervals(metrics, rng, DRAWS), strict=True):
            value = _truths[rate][metric.name]
            if interval.low is not None and interval.high is not None and value is not None:
                given[metric.name] += 1
                held[metric.name] += interval.low <= value <= interval.high
    return given, held


def _window_metrics(rate: float, requests: int, rng: np.random.Generator) -> list[MetricSums]:
    """Returns the metrics of one simulated window."""
    world = World(rate)
    state = world.draw(rng, requests)
    units = group_units(state.unit)
    values = world.draw_values(rng, requests)
    found = binary_metrics(state, units, True) + calibration_metrics(state, units)
    found += ranking_metrics(units, rank_requests(state, 10, 1.0), 10)
    found += regression_metrics(values, group_units(values.unit))
    return [metric for metric in found if metric.name in METRICS]
