"""What people use instead, computed on the same rows: each says of each column whether it drifted.

Rows of a request-level column are repeated, as the rivals see them. Evidently's defaults are those of its registry for a
reference of more than 1,000 rows (normed Wasserstein distance, Jensen-Shannon distance, both at 0.1), on 250-bin codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from benchmarks.drift_columns import Column
from monitoring.drift import distances
from monitoring.drift.rules import ModelMonitorRule
from monitoring.drift.sample import Floats, Ints

ROBUST = "Model Monitor (robust L-infinity > 0.1)"
EVIDENTLY = "Evidently, any column"
EVIDENTLY_HALF = "Evidently, half of the columns"
KS = "KS or chi-square on rows, p < 0.05"
PSI = "PSI > 0.2"
ONE_ROW = "one row a request, Benjamini-Hochberg 5 %"
RIVALS = (ROBUST, EVIDENTLY, EVIDENTLY_HALF, KS, PSI, ONE_ROW)


@dataclass(frozen=True)
class Said:
    """What the rivals say of one column; `p_one`: the p-value of one row a request."""

    robust: bool
    evidently: bool
    ks: bool
    psi: bool
    p_one: float


def judge(column: Column, baseline: Ints, window: Ints, sizes: Ints, rng: np.random.Generator) -> Said:
    """Returns what each rival says of `window` requests against `baseline` requests."""
    base, wind = _counts(column, baseline, sizes), _counts(column, window, sizes)
    one_base, one_wind = _one_row(column, baseline, rng), _one_row(column, window, rng)
    present_b, present_w = base[:-1], wind[:-1]
    return Said(
        robust=ModelMonitorRule().judge(base, wind, categorical=column.categorical).violated,
        evidently=_evidently(column, present_b, present_w),
        ks=p_value(present_w, present_b, column.categorical) < 0.05,
        psi=(distances.psi(*_deciles(column, wind, base)) or 0.0) > 0.2,
        p_one=p_value(one_wind, one_base, column.categorical),
    )


def verdicts(said: Sequence[Said]) -> dict[str, bool]:
    """Returns whether each rival alarms over all columns."""
    return {
        ROBUST: any(s.robust for s in said),
        EVIDENTLY: any(s.evidently for s in said),
        EVIDENTLY_HALF: sum(s.evidently for s in said) >= 0.5 * len(said),
        KS: any(s.ks for s in said),
        PSI: any(s.psi for s in said),
        ONE_ROW: bool(benjamini_hochberg(np.array([s.p_one for s in said])).any()),
    }


def columns_of(said: Sequence[Said]) -> dict[str, list[bool]]:
    """Returns which columns each rival names."""
    return {
        ROBUST: [s.robust for s in said],
        EVIDENTLY: [s.evidently for s in said],
        KS: [s.ks for s in said],
        PSI: [s.psi for s in said],
        ONE_ROW: [bool(b) for b in benjamini_hochberg(np.array([s.p_one for s in said]))],
    }


def benjamini_hochberg(p: Floats, level: float = 0.05) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Returns which hypotheses the step-up procedure rejects. Benjamini & Hochberg 1995."""
    order = np.argsort(p)
    passed = np.flatnonzero(p[order] <= level * np.arange(1, len(p) + 1) / len(p))
    rejected = np.zeros(len(p), bool)
    if len(passed):
        rejected[order[: passed[-1] + 1]] = True
    return rejected


def p_value(window: Floats, baseline: Floats, categorical: bool) -> float:
    """Returns the p-value of chi-square for categories (homogeneity), of Kolmogorov-Smirnov for numbers (asymptotic)."""
    n, m = window.sum(), baseline.sum()
    if n <= 0 or m <= 0:
        return 1.0
    if not categorical:
        distance = distances.linf_cdf(window, baseline) or 0.0
        return float(special.kolmogorov(distance * np.sqrt(n * m / (n + m))))
    both = window + baseline
    kept = both > 0
    expected = both[kept] * n / (n + m)
    other = both[kept] * m / (n + m)
    statistic = (np.square(window[kept] - expected) / expected + np.square(baseline[kept] - other) / other).sum()
    return float(special.chdtrc(kept.sum() - 1, statistic)) if kept.sum() > 1 else 1.0


def _counts(column: Column, requests: Ints, sizes: Ints) -> Floats:
    bins = len(column.coarse_of_fine)
    fine = column.fine[column.rows(requests)]
    if column.request_level:
        return np.bincount(fine, weights=sizes[requests], minlength=bins).astype(np.float64)
    return np.bincount(fine, minlength=bins).astype(np.float64)


def _one_row(column: Column, requests: Ints, rng: np.random.Generator) -> Floats:
    """Returns counts of one random row a request, missing values as a category of their own."""
    lengths = column.starts[requests + 1] - column.starts[requests]
    rows = column.starts[requests] + (rng.random(len(requests)) * lengths).astype(int)
    counts = np.bincount(column.fine[rows], minlength=len(column.coarse_of_fine)).astype(np.float64)
    return counts if column.categorical else counts[:-1]


def _evidently(column: Column, baseline: Floats, window: Floats) -> bool:
    if baseline.sum() <= 0 or window.sum() <= 0:
        return False
    if column.categorical:
        return (distances.jensen_shannon(baseline, window) or 0.0) >= 0.1
    present = ~np.isnan(column.values)
    bins = len(baseline)
    all_counts = np.bincount(column.fine[present], minlength=bins)[:bins]
    sums = np.bincount(column.fine[present], weights=column.values[present], minlength=bins)[:bins]
    at = sums / np.maximum(all_counts, 1)
    share = baseline / baseline.sum()
    deviation = float(np.sqrt(share @ np.square(at - share @ at)))
    return (distances.wasserstein(baseline, window, at, at) or 0.0) / max(deviation, 0.001) >= 0.1


def _deciles(column: Column, window: Floats, baseline: Floats) -> tuple[Floats, Floats]:
    if column.categorical:
        return window, baseline
    share = np.cumsum(baseline[:-1]) / max(1.0, baseline[:-1].sum())
    group = np.minimum((np.concatenate([[0], share[:-1]]) * 10).astype(int), 9)
    counts = [np.bincount(group, weights=side[:-1], minlength=10).astype(np.float64) for side in (window, baseline)]
    return counts[0], counts[1]
