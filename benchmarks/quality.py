"""Model quality against its goals: intervals, equality with scikit-learn, speed, the concept test, a large join.

    python -m benchmarks.quality            a short form, some minutes
    python -m benchmarks.quality --full     the form whose figures the documents cite, about an hour on one core
    python -m benchmarks.quality --only concept

Each section replaces its part of `results/quality.json` (short form: `results/quality-short.json`) as soon as it is done.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import sklearn.metrics as sk
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks import quality_join
from benchmarks.machine import RESULTS, machine, write_results
from benchmarks.quality_worlds import ConceptWorld, ScoreWorld, World
from benchmarks.tables import markdown
from monitoring.quality.binary import auc_value, binary_metrics
from monitoring.quality.bootstrap import make_intervals
from monitoring.quality.calibration import calibration_metrics
from monitoring.quality.concept import judge_concept
from monitoring.quality.metric import MetricSums
from monitoring.quality.multiclass import multiclass_metrics
from monitoring.quality.ranking import rank_requests, ranking_metrics
from monitoring.quality.regression import regression_metrics
from monitoring.quality.state import QualityState
from monitoring.quality.units import group_units

Numbers = npt.NDArray[np.float64]
RATES = (0.001, 0.01, 0.1, 0.5)
FULL_WINDOWS = {50: 2000, 200: 2000, 1000: 2000, 5000: 2000}
SHORT_WINDOWS = {50: 40, 200: 40}
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
MIN_GIVEN = 0.1
"""Share of windows that must get an interval before a cell's coverage is counted: the others say "too few"."""

ONLY_INPUTS = {
    "score: nothing": (ScoreWorld(), ScoreWorld()),
    "score: sd 0.6": (ScoreWorld(), ScoreWorld(spread=0.6)),
    "score: +0.7, sd 0.7": (ScoreWorld(), ScoreWorld(shift=0.7, spread=0.7)),
    "inputs: nothing": (ConceptWorld(), ConceptWorld()),
    "inputs: +0.5": (ConceptWorld(), ConceptWorld(shift=0.5)),
    "inputs: sd 0.7": (ConceptWorld(), ConceptWorld(spread=0.7)),
    "inputs: +0.7, sd 0.8": (ConceptWorld(), ConceptWorld(shift=0.7, spread=0.8)),
}
CONCEPTS = {
    "score: 5 % flipped": (ScoreWorld(), ScoreWorld(flip=0.05)),
    "score: log-odds +0.3": (ScoreWorld(), ScoreWorld(bias=0.3)),
    "score: moved, 5 % flipped": (ScoreWorld(), ScoreWorld(shift=0.7, spread=0.7, flip=0.05)),
    "inputs: 5 % flipped": (ConceptWorld(), ConceptWorld(flip=0.05)),
    "inputs: moved, 5 % flipped": (ConceptWorld(), ConceptWorld(shift=0.5, flip=0.05)),
}


def main() -> None:
    """Runs the sections and writes what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = {
        "exact": measure_exact,
        "speed": measure_speed,
        "concept": measure_concept,
        "intervals": measure_intervals,
        "join": quality_join.measure_join,
    }
    parser.add_argument("--full", action="store_true", help="all windows and the join of 10 million rows")
    parser.add_argument("--only", choices=sections, help="one section")
    parser.add_argument("--windows", type=int, default=2000, help="windows a cell of the full form (default: 2000)")
    args = parser.parse_args()
    FULL_WINDOWS.update({requests: min(args.windows, count) for requests, count in FULL_WINDOWS.items()})
    name = "quality" if args.full else "quality-short"
    for section, run in sections.items():
        if args.only in (None, section):
            save(name, section, run(args.full))
    print((RESULTS / f"{name}.md").read_text())


def save(name: str, section: str, found: dict[str, Any]) -> None:
    """Replaces one section of the results and writes the table of all."""
    path = RESULTS / f"{name}.json"
    document = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    document |= {"machine": machine(), section: found}
    write_results(name, document, table(document))


def table(document: dict[str, Any]) -> str:
    """Returns the goals as Markdown."""
    rows: list[tuple[str, str, str]] = []
    if found := document.get("intervals"):
        rows.append(("95 % intervals hold the truth", '93–97 % a cell or "too few"', found["summary"]))
    if found := document.get("exact"):
        rows.append(("largest difference from scikit-learn", "1e-9", f"{found['largest difference']:.1e}"))
    if found := document.get("speed"):
        seconds = f"{found['seconds']:.2f} s"
        rows.append(("bootstrap of 10,000 requests × 1,000 draws, one core", "2 s", seconds))
    if found := document.get("concept"):
        false, runs = found["false alarms"], found["false alarm runs"]
        rows.append(("concept: false alarms when only inputs move", "5.5 % pooled", f"{false:.1%} of {runs:,} runs"))
        if found["flips at 5,000"] is not None:
            rows.append(
                ("concept: 5 % flipped labels at 5,000 requests found", "80 %", f"{found['flips at 5,000']:.0%}")
            )
    if found := document.get("join"):
        text = f"{found['seconds']:.0f} s, {found['peak MB'] / 1000:.2f} GB ({found['rows']:,} rows)"
        rows.append(("quality, 10 M rows × 10 M labels", "60 s, 2 GB", text))
    parts = [markdown(("what", "goal", "measured"), rows)]
    for section in ("intervals", "concept"):
        if section in document:
            head, *lines = document[section]["cells"]
            parts.append(markdown(head, lines))
    return "\n\n".join(parts)


def interval_metrics(rate: float, requests: int, rng: np.random.Generator) -> list[MetricSums]:
    """Returns the metrics of one simulated window."""
    world = World(rate)
    state = world.draw(rng, requests)
    units = group_units(state.unit)
    values = world.draw_values(rng, requests)
    found = binary_metrics(state, units, True) + calibration_metrics(state, units)
    found += ranking_metrics(units, rank_requests(state, 10, 1.0), 10)
    found += regression_metrics(values, group_units(values.unit))
    return [metric for metric in found if metric.name in METRICS]


def measure_intervals(full: bool) -> dict[str, Any]:
    """Returns how often intervals hold the truth, by share of positives, requests and metric; small windows first."""
    cells: list[list[Any]] = [["positives", "requests", "metric", "windows", "with an interval", "hold the truth"]]
    truth = {rate: _truth(rate) for rate in RATES}
    tally = [0, 0, 0]
    found: dict[str, Any] = {}
    for requests, windows in (FULL_WINDOWS if full else SHORT_WINDOWS).items():
        for rate in RATES:
            rng = np.random.default_rng([int(rate * 1000), requests])
            given, held = _coverage(rate, requests, windows, truth[rate], rng)
            for name in METRICS:
                share = held[name] / given[name] if given[name] else None
                text = "too few" if share is None else f"{share:.1%}"
                cells.append([f"{rate:.1%}", requests, name, windows, given[name], text])
                if share is None or given[name] < MIN_GIVEN * windows:
                    tally[2] += 1
                else:
                    tally[1] += 1
                    tally[0] += 0.93 <= share <= 0.97
            summary = f'{tally[0]} of {tally[1]} cells; {tally[2]} cells say "too few" in over 90 % of their windows'
            found = {"cells": cells, "summary": summary}
            if full:
                save("quality", "intervals", found)
            print(f"intervals {rate:.1%} {requests}: {summary}", flush=True)
    return found


def _truth(rate: float) -> dict[str, float | None]:
    return {m.name: m.value for m in interval_metrics(rate, TRUTH_REQUESTS, np.random.default_rng(1))}


def _coverage(
    rate: float, requests: int, windows: int, truth: dict[str, float | None], rng: np.random.Generator
) -> tuple[dict[str, int], dict[str, int]]:
    """Returns how many windows gave an interval, and how many of these held the truth, by metric."""
    given, held = dict.fromkeys(METRICS, 0), dict.fromkeys(METRICS, 0)
    for _ in range(windows):
        metrics = interval_metrics(rate, requests, rng)
        for metric, interval in zip(metrics, make_intervals(metrics, rng, DRAWS), strict=True):
            value = truth[metric.name]
            if interval.low is not None and interval.high is not None and value is not None:
                given[metric.name] += 1
                held[metric.name] += interval.low <= value <= interval.high
    return given, held


def measure_exact(full: bool) -> dict[str, Any]:
    """Returns the largest difference from scikit-learn over random windows."""
    rng, largest = np.random.default_rng(3), 0.0
    for _ in range(300 if full else 50):
        n = int(rng.integers(20, 2000))
        score: Numbers = np.round(rng.random(n), 2)
        weight: Numbers = rng.choice([1.0, 4.0], n)
        label = (rng.random(n) < score).astype(np.float64)
        predicted = (score >= 0.5).astype(np.float64)
        unit = np.arange(n) // 4
        zeros = np.zeros(n)
        state = QualityState(unit, zeros.astype(np.int64), predicted, score, label, weight, zeros)
        units = group_units(unit)
        found = {m.name: m.value for m in binary_metrics(state, units, True)}
        expected = {
            "accuracy": sk.accuracy_score(label, predicted, sample_weight=weight),
            "precision": sk.precision_score(label, predicted, sample_weight=weight),
            "recall": sk.recall_score(label, predicted, sample_weight=weight),
            "f2": sk.fbeta_score(label, predicted, beta=2, sample_weight=weight),
            "auc": sk.roc_auc_score(label, score, sample_weight=weight),
            "au_prc": sk.average_precision_score(label, score, sample_weight=weight),
            "log_loss": sk.log_loss(label, score, sample_weight=weight),
            "brier_score": sk.brier_score_loss(label, score, sample_weight=weight),
        }
        ten: Numbers = score * 10
        numbers: Numbers = label * 7 + rng.normal(size=n)
        values = QualityState(unit, state.time, ten, score, numbers, weight, zeros)
        found |= {m.name: m.value for m in regression_metrics(values, units)}
        w = {"sample_weight": weight}
        expected |= {
            "mae": sk.mean_absolute_error(values.label, values.predicted, **w),
            "rmse": sk.root_mean_squared_error(values.label, values.predicted, **w),
            "r2": sk.r2_score(values.label, values.predicted, **w),
        }
        codes = QualityState(
            unit,
            state.time,
            rng.integers(0, 4, n).astype(np.float64),
            score,
            rng.integers(0, 4, n).astype(np.float64),
            weight,
            zeros,
            tuple("abcd"),
        )
        found |= {m.name: m.value for m in multiclass_metrics(codes, units) if m.name.startswith("weighted")}
        for name, beta in (("f0_5", 0.5), ("f1", 1), ("f2", 2)):
            expected[f"weighted_{name}"] = sk.fbeta_score(
                codes.label, codes.predicted, beta=beta, average="weighted", zero_division=0.0, sample_weight=weight
            )
        differences = [abs(float(found[name] or 0.0) - value) for name, value in expected.items()]
        largest = max(largest, *differences, abs(auc_value(label, score, weight) - expected["auc"]))
    return {"largest difference": largest}


def measure_speed(full: bool) -> dict[str, Any]:
    """Returns the seconds of all intervals of a binary window of 10,000 requests with 1,000 draws, the least of three."""
    rng = np.random.default_rng(4)
    state = World(0.2).draw(rng, 10_000)
    units = group_units(state.unit)
    metrics = binary_metrics(state, units, True) + calibration_metrics(state, units)
    seconds = []
    with threadpool_limits(1):
        for _ in range(5 if full else 3):
            start = time.process_time()
            make_intervals(metrics, rng, 1000)
            seconds.append(time.process_time() - start)
    return {"seconds": min(seconds), "metrics": len(metrics), "rows": len(state)}


def measure_concept(full: bool) -> dict[str, Any]:
    """Returns the rates of "P(y|x) changed" where only inputs moved, and where labels changed. Baselines have 1,500 requests."""
    head = ["what moved", "requests", "runs", "changed", "declined", '"AUC fell" alarms']
    cells: list[list[Any]] = [head]
    false = runs = found = tried = 0
    sizes = {100: 200, 420: 200, 5000: 40} if full else {420: 10}
    for name, (before, after) in (ONLY_INPUTS | CONCEPTS).items():
        for requests, count in sizes.items():
            rng = np.random.default_rng([len(name), requests])
            changed, declined, fell = _concept_runs(before, after, requests, count, rng)
            judged = count - declined
            cells.append([name, requests, count, f"{changed / max(judged, 1):.1%}", declined, f"{fell / count:.0%}"])
            print(*cells[-1], flush=True)
            if name in ONLY_INPUTS:
                false, runs = false + changed, runs + judged
            elif "moved" not in name and "flipped" in name and requests == max(sizes):
                found, tried = found + changed, tried + judged
            if full:
                save("quality", "concept", _concept_summary(cells, false, runs, found, tried))
    return _concept_summary(cells, false, runs, found, tried)


def _concept_summary(cells: list[list[Any]], false: int, runs: int, found: int, tried: int) -> dict[str, Any]:
    return {
        "cells": cells,
        "false alarms": false / max(runs, 1),
        "false alarm runs": runs,
        "flips at 5,000": found / tried if tried else None,
    }


def _concept_runs(before: Any, after: Any, requests: int, count: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Returns how many runs found a changed concept, declined, and how many an alarm on a fallen AUC would have raised."""
    changed = declined = fell = 0
    for _ in range(count):
        baseline, window = before.draw(rng, 1500), after.draw(rng, requests)
        test = judge_concept(baseline, window, rng, binary=True, probability=True)
        changed += test.changed
        declined += test.p_value is None
        was = auc_value(baseline.label, baseline.score, baseline.weight)
        fell += _auc_upper(window, rng) < was
    return changed, declined, fell


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


if __name__ == "__main__":
    main()
