"""The concept test of model quality in simulated worlds: false alarms where only inputs move, and changes that it finds.

Runs go in rounds over all cells. Baselines have 1,500 requests. An alarm on a fallen AUC stands beside, for comparison.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality_worlds import ConceptWorld, ScoreWorld
from monitoring.quality.binary import auc_value, binary_metrics
from monitoring.quality.bootstrap import make_intervals
from monitoring.quality.concept import judge_concept
from monitoring.quality.state import QualityState
from monitoring.quality.units import group_units

if TYPE_CHECKING:
    from collections.abc import Callable

Worlds = dict[str, tuple[ScoreWorld | ConceptWorld, ScoreWorld | ConceptWorld]]
ONLY_INPUTS: Worlds = {
    "score: nothing": (ScoreWorld(), ScoreWorld()),
    "score: sd 0.6": (ScoreWorld(), ScoreWorld(spread=0.6)),
    "score: +0.7, sd 0.7": (ScoreWorld(), ScoreWorld(shift=0.7, spread=0.7)),
    "inputs: nothing": (ConceptWorld(), ConceptWorld()),
    "inputs: +0.5": (ConceptWorld(), ConceptWorld(shift=0.5)),
    "inputs: sd 0.7": (ConceptWorld(), ConceptWorld(spread=0.7)),
    "inputs: +0.7, sd 0.8": (ConceptWorld(), ConceptWorld(shift=0.7, spread=0.8)),
}
CONCEPTS: Worlds = {
    "score: 5 % flipped": (ScoreWorld(), ScoreWorld(flip=0.05)),
    "score: log-odds +0.3": (ScoreWorld(), ScoreWorld(bias=0.3)),
    "score: moved, 5 % flipped": (ScoreWorld(), ScoreWorld(shift=0.7, spread=0.7, flip=0.05)),
    "inputs: 5 % flipped": (ConceptWorld(), ConceptWorld(flip=0.05)),
    "inputs: moved, 5 % flipped": (ConceptWorld(), ConceptWorld(shift=0.5, flip=0.05)),
}
ROUNDS = 20
FULL_BLOCKS, SHORT_BLOCKS = {100: 20, 420: 20, 5000: 5}, {420: 1}
"""Runs of each cell in a round, by the requests of the window."""
BASELINE = 1500
Cell = tuple[str, int]


def measure_concept(full: bool, processes: int, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Returns the cells and the pooled rates; `keep` gets what was found after each round."""
    blocks = FULL_BLOCKS if full else SHORT_BLOCKS
    cells = [(name, requests) for name in ONLY_INPUTS | CONCEPTS for requests in blocks]
    tally = {cell: np.zeros(4, np.int64) for cell in cells}
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(processes) as pool:
        for number in range(ROUNDS if full else 10):
            tasks = [(cell, pool.submit(_block, cell, blocks[cell[1]], number)) for cell in reversed(cells)]
            for cell, task in tasks:
                tally[cell] += np.array(task.result())
            found = summarised(tally)
            keep(found)
            print(f"concept, round {number + 1}: false alarms {found['false alarms']:.1%}", flush=True)
    return found


def summarised(tally: dict[Cell, Any]) -> dict[str, Any]:
    """Returns the table and the pooled rates of `tally`: (runs, changed, declined, alarms on AUC) of each cell."""
    head = ["what moved", "requests", "runs", "changed", "declined", '"AUC fell" alarms']
    rows: list[list[Any]] = [head]
    false = judged_false = flips = judged_flips = 0
    largest = max(requests for _, requests in tally)
    for (name, requests), (runs, changed, declined, fell) in tally.items():
        judged = int(runs - declined)
        rows.append([name, requests, int(runs), f"{changed / max(judged, 1):.1%}", int(declined), f"{fell / runs:.0%}"])
        if name in ONLY_INPUTS:
            false, judged_false = false + int(changed), judged_false + judged
        elif name in ("score: 5 % flipped", "inputs: 5 % flipped") and requests == largest:
            flips, judged_flips = flips + int(changed), judged_flips + judged
    return {
        "cells": rows,
        "false alarms": false / max(judged_false, 1),
        "false alarm runs": judged_false,
        "flips at 5,000": flips / judged_flips if judged_flips and largest == 5000 else None,
    }


def _block(cell: Cell, count: int, number: int) -> tuple[int, int, int, int]:
    """Returns (runs, changed, declined, alarms that a fallen AUC would have raised) of `count` runs."""
    name, requests = cell
    before, after = (ONLY_INPUTS | CONCEPTS)[name]
    place = list(ONLY_INPUTS | CONCEPTS).index(name)
    rng = np.random.default_rng([place, requests, number])
    changed = declined = fell = 0
    for _ in range(count):
        baseline, window = before.draw(rng, BASELINE), after.draw(rng, requests)
        test = judge_concept(baseline, window, rng, binary=True, probability=True)
        changed += test.changed
        declined += test.p_value is None
        was = auc_value(baseline.label, baseline.score, baseline.weight)
        fell += _auc_upper(window, rng) < was
    return count, changed, declined, fell


def _auc_upper(window: Any, rng: np.random.Generator) -> float:
    """Returns the upper end of the window's interval of the AUC."""
    zeros = np.zeros(len(window))
    predicted = (window.score >= 0.5).astype(np.float64)
    state = QualityState(
        window.unit, zeros.astype(np.int64), predicted, window.score, window.label, window.weight, zeros
    )
    [auc] = [m for m in binary_metrics(state, group_units(window.unit), True) if m.name == "auc"]
    high = make_intervals([auc], rng, 200)[0].high
    return 1.0 if high is None else high
