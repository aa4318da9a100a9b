"""Shares of the error. Each part of a column, and each column, gets its own share, whatever it is a maximum of.

A maximum over k independent scores has a tail probability k times too small. `Share` estimates k from the shuffles and
corrects for it. Tail probabilities of B shuffles and of the observed labels are treated alike, so that a permutation test
on corrected values stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from monitoring.drift.sample import Floats

MIN_TAIL = 1e-280
"""Tail probabilities below this one are equal: their logarithms stay finite."""


def two_sided(z: Floats) -> Floats:
    """Returns 2 Φ(-|z|), at least `MIN_TAIL`."""
    return np.asarray(np.maximum(2 * special.ndtr(-np.abs(z)), MIN_TAIL))


def score_of(p: float) -> float:
    """Returns the |z| whose two-sided tail probability is `p`."""
    return float(-special.ndtri(min(max(p, MIN_TAIL), 1.0) / 2))


@dataclass(frozen=True)
class Share:
    """The correction p → 1 - (1 - p)^k for the number k >= 1 of independent scores behind a maximum."""

    k: float

    @classmethod
    def fit(cls, p: Floats) -> Share:
        """Fits k to tail probabilities, shape (B + 1,).

        With -ln(1 - p) exponential of rate k, k is its maximum-likelihood estimate from the smallest quarter; the others
        are censored.
        """
        e = -np.log1p(-np.minimum(p, 1 - 1e-15))
        r = max(1, len(e) // 4)
        smallest = np.partition(e, r - 1)[:r]
        exposure = float(smallest.sum() + (len(e) - r) * smallest.max())
        return cls(max(1.0, r / exposure) if exposure > 0 else 1.0)

    def apply(self, p: Floats) -> Floats:
        """Returns the corrected tail probabilities."""
        corrected = -np.expm1(self.k * np.log1p(-np.minimum(p, 1 - 1e-15)))
        return np.asarray(np.clip(corrected, MIN_TAIL, 1.0))

    def invert(self, p: float) -> float:
        """Returns the tail probability whose corrected value is `p`."""
        return float(np.clip(-np.expm1(np.log1p(-min(p, 1 - 1e-15)) / self.k), MIN_TAIL, 1.0))


def rank_p(ordinary: Floats, found: Floats) -> Floats:
    """Returns (1 + the number of ordinary values that reach `found`) / (n + 1)."""
    return np.asarray((1 + (ordinary[None, :] >= found[:, None] - 1e-12).sum(axis=1)) / (len(ordinary) + 1))


def tail_p(ordinary: Floats, found: Floats, share: float) -> Floats:
    """Returns p-values that go below 1 / n: rank p up to the quantile u = 1 - `share`, exponential beyond it.

    p = share exp(-(T - u) / mean excess over u). Knijnenburg et al. 2009 extrapolate permutation tails likewise.
    """
    u = float(np.quantile(ordinary, 1 - share))
    over = ordinary[ordinary > u]
    excess = float((over - u).mean()) if len(over) else 0.0
    ranked = rank_p(ordinary, found)
    if excess <= 0:
        return ranked
    return np.asarray(np.where(found > u, share * np.exp(-np.maximum(found - u, 0.0) / excess), ranked))
