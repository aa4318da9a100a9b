"""The questions asked of a column, as weights of its coarse bins.

Numeric: the share of missing values; each CDF point of the present values; location (normal scores of the mid-ranks, van der
Waerden 1952); scale (their squares, Klotz 1962). Categorical: each share. All weights depend on baseline and window pooled,
never on which is which, so that a permutation test stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from monitoring.drift.sample import Floats

MISSING = "missing values"
CDF = "distribution"
LOCATION = "location"
SCALE = "scale"
SHARES = "single shares"
ALL_SHARES = "all shares"

WEIGHTS = {MISSING: 0.15, CDF: 0.4, LOCATION: 0.3, SCALE: 0.15, SHARES: 0.4, ALL_SHARES: 0.6}
"""How a column's error is divided between its parts. Absent parts drop out."""


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Weights of one column's coarse bins: `weights` has the shape (K, J), `parts` names the part of each contrast."""

    weights: Floats
    parts: tuple[str, ...]

    def of(self, part: str) -> tuple[int, ...]:
        """Returns the indices of a part's contrasts."""
        return tuple(j for j, name in enumerate(self.parts) if name == part)


def categorical(coarse: int) -> Contrasts:
    """Returns one contrast for each of `coarse` bins: its share."""
    return Contrasts(np.eye(coarse), (SHARES,) * coarse)


def normal_scores(present: Floats) -> Floats:
    """Returns Φ⁻¹ of the mid-rank of each bin, with mean 0 and standard deviation 1 over `present` counts.

    Bins are ordered by value. All zeros where fewer than two bins hold a value.
    """
    total = present.sum()
    if total <= 0 or np.count_nonzero(present) < 2:
        return np.zeros(len(present))
    share = present / total
    rank = np.cumsum(share) - share / 2
    edge = 1 / (2 * total + 2)
    scores = special.ndtri(np.clip(rank, edge, 1 - edge))
    scores = scores - share @ scores
    return np.asarray(scores / np.sqrt(share @ np.square(scores)))


def numeric(pooled: Floats) -> Contrasts:
    """Returns the contrasts of a numeric column whose pooled counts by coarse bin are `pooled`, missing values last.

    A CDF point's contrast is 1{bin <= k} - F(k) for present values and 0 for missing ones: a rising share of missing values
    alone does not move it. Location and scale are 0 for missing values too.
    """
    present = pooled[:-1]
    bins = len(present)
    total = present.sum()
    share = present / total if total > 0 else present
    cdf = np.cumsum(share)
    points = max(bins - 1, 0)
    weights = np.zeros((bins + 1, points + 3))
    weights[bins, 0] = 1.0
    for k in range(points):
        weights[:bins, 1 + k] = (np.arange(bins) <= k) - cdf[k]
    scores = normal_scores(present)
    weights[:bins, points + 1] = scores
    squares = np.square(scores)
    weights[:bins, points + 2] = squares - share @ squares
    return Contrasts(weights, (MISSING, *(CDF,) * points, LOCATION, SCALE))


def share_bins(asked: Contrasts, coarse: int) -> list[tuple[int, int]]:
    """Returns (contrast, bin) of the contrasts that are the share of one of `coarse` bins."""
    return [(j, j) for j in asked.of(SHARES)] + [(j, coarse - 1) for j in asked.of(MISSING)]
