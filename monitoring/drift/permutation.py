"""The two-sample test: units of window and baseline, shuffled, with the maximum over columns as the statistic.

Where nothing changed, units of both sides are exchangeable, so labels may be shuffled: the level holds for any correlation
within a request, any ties, tails and correlation of columns. The maximum inside each shuffle makes p-values family-wise
(step-down max-T, Westfall & Young 1993, algorithm 2.8; (1 + b) / (1 + B), Phipson & Smyth 2010). A column's statistic is the
smallest corrected tail probability of its parts, `docs/decisions/0032-a-permutation-test.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitoring.drift import contrasts
from monitoring.drift.contrasts import Contrasts, share_bins
from monitoring.drift.parts import ColumnTest, combine
from monitoring.drift.sample import ColumnSample, Floats
from monitoring.drift.scores import cube_root, root_deviance
from monitoring.errors import MonitoringError

Labels = npt.NDArray[np.float32]

_TIE = 1e-9
"""Statistics this close are ties: rounding must not make a tie an exceedance."""


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """All columns' tests. `p_values` are family-wise; `critical` is the statistic that alarms at the run's level.

    `largest`: shape (B + 1,), the largest statistic over columns, the observed labels first.
    """

    columns: tuple[ColumnTest, ...]
    p_values: Floats
    critical: float
    largest: Floats


def permutation_test(
    samples: Sequence[ColumnSample],
    *,
    level: float,
    shuffles: int,
    rng: np.random.Generator,
    inflation: float = 1.0,
) -> PermutationTest:
    """Tests all columns together. Every sample needs units of both sides.

    `inflation` divides the observed scores: how much wider a difference of window and baseline is than a difference of
    shuffled units, where units of the two sides differ in size or in sampling weight.
    """
    window, baseline = len(samples[0].window_units), len(_baseline(samples[0]))
    labels = shuffle(baseline, window, shuffles, rng)
    tests = tuple(column_test(sample, labels, window, inflation) for sample in samples)
    statistics = np.column_stack([test.statistics for test in tests])
    largest = statistics.max(axis=1)
    critical = float(np.quantile(largest, 1 - level, method="higher"))
    return PermutationTest(tests, step_down(statistics), critical, largest)


def shuffle(baseline: int, window: int, shuffles: int, rng: np.random.Generator) -> Labels:
    """Returns labels, shape (shuffles + 1, baseline + window): 1 for units of the window, the observed labels first."""
    units = baseline + window
    labels = np.zeros((shuffles + 1, units), np.float32)
    labels[0, baseline:] = 1
    if window < units:
        chosen = np.argpartition(rng.random((shuffles, units), np.float32), window - 1, axis=1)[:, :window]
        np.put_along_axis(labels[1:], chosen, np.float32(1), axis=1)
    return labels


def step_down(statistics: Floats) -> Floats:
    """Returns family-wise p-values, shape (columns,), of statistics of shape (B + 1, columns), the observed ones first."""
    order = np.argsort(-statistics[0], kind="stable")
    largest = np.maximum.accumulate(statistics[:, order][:, ::-1], axis=1)[:, ::-1]
    observed = statistics[0, order]
    reached = largest >= observed - _TIE * np.maximum(1.0, np.abs(observed))
    p = np.maximum.accumulate(reached.mean(axis=0))
    values = np.empty(len(order))
    values[order] = p
    return values


def _baseline(sample: ColumnSample) -> Floats:
    if sample.baseline_units is None:
        raise MonitoringError(f"column {sample.name!r}: the baseline has no units; use the one-sample test")
    return sample.baseline_units


def column_test(sample: ColumnSample, labels: Labels, window: int, inflation: float) -> ColumnTest:
    counts = np.concatenate([_baseline(sample), sample.window_units])
    pooled = counts.sum(axis=0)
    total = pooled.sum()
    asked = contrasts.categorical(sample.coarse) if sample.categorical else contrasts.numeric(pooled)
    nothing = ColumnTest(sample.name, np.zeros(len(labels)), pooled=pooled)
    if total <= 0:
        return nothing
    in_window = (labels @ counts.astype(np.float32)).astype(np.float64)
    residuals = counts - np.outer(counts.sum(axis=1), pooled / total)
    sums = residuals @ asked.weights * (len(counts) / total)
    deviations = np.sqrt(np.square(sums).sum(axis=0) / (len(sums) - 1))
    kept = deviations > 1e-9 * max(1.0, float(np.abs(asked.weights).max()))
    if not kept.any():
        return nothing
    z, t = _scores(asked, pooled, in_window, sums, deviations, residuals, len(counts), window)
    z[0], t[0] = z[0] / inflation, t[0] / inflation
    clusters = np.array([cluster_size(residuals[:, k], pooled[k]) for k in range(len(pooled))])
    return combine(sample.name, asked, kept, z, t, pooled, deviations, clusters)


def _scores(
    asked: Contrasts,
    pooled: Floats,
    in_window: Floats,
    sums: Floats,
    deviations: Floats,
    residuals: Floats,
    units: int,
    window: int,
) -> tuple[Floats, Floats]:
    """Returns z, normal scores, and t, studentised differences, both of shape (B + 1, J)."""
    total, rates = pooled.sum(), pooled / pooled.sum()
    rows = in_window.sum(axis=1)
    size = np.clip(rows * (units / total), 1e-9, units - 1e-9)
    difference = (in_window - np.outer(rows, rates)) @ asked.weights * (units / total)
    difference *= (1 / size + 1 / (units - size))[:, None]
    baseline = units - window
    safe = np.where(deviations > 0, deviations, 1.0)
    t = difference / (safe * np.sqrt(1 / window + 1 / baseline))
    scaled = sums / safe
    third = np.einsum("uj,uj,uj->j", scaled, scaled, scaled) / units
    skewness = third * (window**-2.0 - baseline**-2.0) / (1 / window + 1 / baseline) ** 1.5
    z = cube_root(t, skewness)
    for j, k in share_bins(asked, len(pooled)):
        z[:, j] = _share_scores(in_window[:, k], rows, pooled[k], total, residuals[:, k])
    return z, t


def cluster_size(residuals: Floats, count: float) -> float:
    """Returns how many occurrences of a value come together: its variance over units by its count."""
    return float(np.square(residuals).sum() / count) if count > 0 else 0.0


def _share_scores(found: Floats, rows: Floats, count: float, total: float, residuals: Floats) -> Floats:
    """Returns z scores of one value's share, of the rarer of the value and all other values."""
    sign = 1.0
    if count > total / 2:
        found, count, sign = rows - found, total - count, -1.0
    cluster = cluster_size(residuals, count)
    if cluster <= 0:
        return np.zeros(len(found))
    return sign * root_deviance(found / cluster, np.full(len(found), count / cluster), rows / total)
