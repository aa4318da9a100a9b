"""Model quality against its goals: intervals, equality with scikit-learn, speed, the concept test, a large join.

    python -m benchmarks.quality            a short form, some minutes
    python -m benchmarks.quality --full     the form whose figures the documents cite, about an hour on one core
    python -m benchmarks.quality --only concept --processes 2

Each section replaces its part of `results/quality.json` (short form: `results/quality-short.json`) as soon as it is done.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import sklearn.metrics as sk
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks import quality_concept, quality_intervals, quality_join
from benchmarks.machine import RESULTS, machine, write_results
from benchmarks.quality_worlds import World
from benchmarks.tables import markdown
from monitoring.quality.binary import auc_value, binary_metrics
from monitoring.quality.bootstrap import make_intervals
from monitoring.quality.calibration import calibration_metrics
from monitoring.quality.multiclass import multiclass_metrics
from monitoring.quality.regression import regression_metrics
from monitoring.quality.state import QualityState
from monitoring.quality.units import group_units

Numbers = npt.NDArray[np.float64]


def main() -> None:
    """Runs the sections and writes what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("exact", "speed", "join", "concept", "intervals")
    parser.add_argument("--full", action="store_true", help="all windows and the join of 10 million rows")
    parser.add_argument("--only", choices=names, help="one section")
    parser.add_argument("--windows", type=int, default=2000, help="windows a cell of the full form (default: 2000)")
    parser.add_argument("--processes", type=int, default=1, help="processes that simulate (default: 1)")
    args = parser.parse_args()
    name = "quality" if args.full else "quality-short"

    def keep(section: str) -> Callable[[dict[str, Any]], None]:
        return lambda found: save(name, section, found)

    sections: dict[str, Callable[[], dict[str, Any]]] = {
        "exact": lambda: measure_exact(args.full),
        "speed": lambda: measure_speed(args.full),
        "join": lambda: quality_join.measure_join(args.full),
        "concept": lambda: quality_concept.measure_concept(args.full, args.processes, keep("concept")),
        "intervals": lambda: quality_intervals.measure_intervals(
            args.full, args.windows if args.full else 50, args.processes, keep("intervals")
        ),
    }
    for section, run in sections.items():
        if args.only in (None, section):
            save(name, section, run())
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


if __name__ == "__main__":
    main()
