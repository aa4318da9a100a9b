"""Distances between two distributions given as counts over the same bins. Larger is further apart; 0 is equal.

L-infinity and chi-square are those of Deequ (`com.amazon.deequ.analyzers.Distance`), which SageMaker Model Monitor runs. Where
one side is empty a distance is None: there is nothing to compare.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from monitoring.drift.sample import Floats

C_ALPHA = 1.8
"""Deequ's default c(α), for α = 0.003: equation (15) of section 3.3.1 in Knuth, TAOCP volume 2, 3rd edition."""
PSI_FLOOR = 1e-4
"""The share that stands for an empty bin in PSI, whose logarithm needs one."""
_YATES = (5.0, 0.2)
"""Tables of more than two categories: at most 20 % of the expected counts below 5 (Yates, Moore & McCabe 1999, p. 734)."""
_COCHRAN = 10.0
"""Tables of two categories: no expected count below 10 (Cochran 1952)."""


def _shares(a: Floats, b: Floats) -> tuple[Floats, Floats] | None:
    if a.sum() <= 0 or b.sum() <= 0:
        return None
    return a / a.sum(), b / b.sum()


def linf_cdf(a: Floats, b: Floats) -> float | None:
    """Returns the largest difference of two CDFs at the bins' upper edges: the two-sample Kolmogorov-Smirnov statistic.

    `a`, `b`: counts, shape (F,), bins ordered by value. Deequ's `numericalDistance` with `correctForLowNumberOfSamples`.
    """
    shares = _shares(a, b)
    return None if shares is None else float(np.abs(np.cumsum(shares[0] - shares[1])).max())


def linf_shares(a: Floats, b: Floats) -> float | None:
    """Returns the largest difference of two categories' shares. Deequ's `categoricalDistance` with `LInfinityMethod`."""
    shares = _shares(a, b)
    return None if shares is None else float(np.abs(shares[0] - shares[1]).max())


def robust(distance: float, n: float, m: float, c_alpha: float = C_ALPHA) -> float:
    """Returns an L-infinity distance less what samples of `n` and `m` rows differ by chance, at least 0.

    Deequ's `linf_robust`: max(0, L - c(α) sqrt((n + m) / (n m))). It takes rows as independent.
    """
    return max(0.0, distance - c_alpha * math.sqrt((n + m) / (n * m)))


def c_alpha(alpha: float) -> float:
    """Returns c(α) = sqrt(-ln(α / 2) / 2), as Deequ computes it where `alpha` is given."""
    return math.sqrt(-math.log(alpha / 2) / 2)


def chi_square(window: Floats, baseline: Floats) -> tuple[float, float] | None:
    """Returns Pearson's statistic and its p-value for the window's counts against the baseline's shares.

    Deequ's `categoricalDistance` with `ChisquareMethod`: the smallest category joins the next smaller one until the expected
    counts are large enough. Categories that the baseline lacks are left out, as there. None where fewer than two remain.
    """
    known = baseline > 0
    observed, expected = window[known], baseline[known]
    if observed.sum() <= 0 or expected.sum() <= 0:
        return None
    observed, expected = _regroup(observed, expected / expected.sum() * observed.sum())
    if len(expected) < 2:
        return None
    expected = expected / expected.sum() * observed.sum()
    statistic = float((np.square(observed - expected) / expected).sum())
    return statistic, float(special.chdtrc(len(expected) - 1, statistic))


def _regroup(observed: Floats, expected: Floats) -> tuple[Floats, Floats]:
    while len(expected) >= 2:
        least, share = _YATES if len(expected) > 2 else (_COCHRAN, 0.0)
        if np.count_nonzero(expected < least) <= int(share * len(expected)):
            break
        order = np.argsort(expected, kind="stable")
        first, second = order[0], order[1]
        observed, expected = observed.copy(), expected.copy()
        observed[second] += observed[first]
        expected[second] += expected[first]
        observed, expected = np.delete(observed, first), np.delete(expected, first)
    return observed, expected


def psi(window: Floats, baseline: Floats, floor: float = PSI_FLOOR) -> float | None:
    """Returns the population stability index, sum of (p - q) ln(p / q); empty bins count as a share of `floor`.

    Deequ's `populationStabilityIndex`, which is infinite where a bin is empty on one side only.
    """
    shares = _shares(window, baseline)
    if shares is None:
        return None
    either = (window > 0) | (baseline > 0)
    p, q = np.maximum(shares[0][either], floor), np.maximum(shares[1][either], floor)
    return float(((p - q) * np.log(p / q)).sum())


def jensen_shannon(a: Floats, b: Floats) -> float | None:
    """Returns the Jensen-Shannon distance with natural logarithms, between 0 and sqrt(ln 2), as SciPy's `jensenshannon`.

    Endres & Schindelin 2003, "A new metric for probability distributions".
    """
    shares = _shares(a, b)
    if shares is None:
        return None
    middle = (shares[0] + shares[1]) / 2
    divergence = special.rel_entr(shares[0], middle).sum() + special.rel_entr(shares[1], middle).sum()
    return float(math.sqrt(max(divergence, 0.0) / 2))


def wasserstein(a: Floats, b: Floats, values_a: Floats, values_b: Floats) -> float | None:
    """Returns the first Wasserstein distance, the integral of |F - G|, in the unit of the values.

    `a`, `b`: weights, shape (n,) and (m,); `values_a`, `values_b`: where they lie. Equal to SciPy's `wasserstein_distance`.
    """
    shares = _shares(a, b)
    if shares is None:
        return None
    values = np.concatenate([values_a, values_b])
    steps = np.concatenate([shares[0], -shares[1]])
    order = np.argsort(values, kind="stable")
    return float(np.abs(np.cumsum(steps[order])[:-1]) @ np.diff(values[order]))
