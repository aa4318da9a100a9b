"""A column's parts put together: missing values, distribution, location, scale, shares, each with its part of the error.

`combine` turns z scores of the observed labels and of labels without a change (shuffles, or draws) into one statistic a
column and into p-values of its parts, which say what moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import special

from monitoring.drift import contrasts
from monitoring.drift.contrasts import Contrasts
from monitoring.drift.sample import Floats
from monitoring.drift.tails import MIN_TAIL, Share, score_of, two_sided


@dataclass(frozen=True, eq=False)
class ColumnTest:
    """What the shuffles found of one column.

    `statistics`: shape (B + 1,), the observed labels first; larger is more unlike. `p_parts`: each part's own tail
    probability for the observed labels, corrected for what the part is a maximum of. `z`: shape (J,), the observed scores.
    `deviations`: shape (J,), standard deviation of each contrast's sum over a unit of mean size. `pooled`: shape (K,).
    """

    name: str
    statistics: Floats
    p_parts: dict[str, float] = field(default_factory=dict)
    shares: dict[str, Share] = field(default_factory=dict)
    column_share: Share = field(default_factory=lambda: Share(1.0))
    spread: float = 1.0
    contrasts: Contrasts | None = None
    z: Floats = field(default_factory=lambda: np.zeros(0))
    deviations: Floats = field(default_factory=lambda: np.zeros(0))
    clusters: Floats = field(default_factory=lambda: np.zeros(0))
    pooled: Floats = field(default_factory=lambda: np.zeros(0))

    def score_needed(self, part: str, critical: float) -> float:
        """Returns the |z| with which `part` alone lifts the column's statistic to `critical`."""
        p_column = float(np.exp(-(critical - 0.5 * np.log(self.spread))))
        weight = contrasts.WEIGHTS[part] / float(np.mean([contrasts.WEIGHTS[name] for name in self.shares]))
        return score_of(self.shares[part].invert(min(1.0, self.column_share.invert(p_column) * weight)))


def combine(
    name: str,
    asked: Contrasts,
    kept: npt.NDArray[np.bool_],
    z: Floats,
    t: Floats,
    pooled: Floats,
    deviations: Floats,
    clusters: Floats,
    *,
    omnibus: npt.NDArray[np.bool_] | None = None,
    observed_is_reference: bool = True,
) -> ColumnTest:
    """Gives each part its share of the error, then the column.

    `z`, `t`: shape (B + 1, J), normal scores and studentised differences, the observed ones first; `kept` tells which
    contrasts vary. `omnibus` tells which shares the sum of squares takes (default: all that vary). A permutation test stays
    exact because the observed labels count among the references; draws from a model leave them out.
    """
    reference = slice(None) if observed_is_reference else slice(1, None)
    tails = {}
    for part in dict.fromkeys(asked.parts):
        chosen = [j for j in asked.of(part) if kept[j]]
        if chosen:
            tails[part] = two_sided(np.abs(z[:, chosen]).max(axis=1))
    if contrasts.SHARES in tails:
        taken = kept if omnibus is None else kept & omnibus
        if taken.any():
            tails[contrasts.ALL_SHARES] = _omnibus(t[:, taken], 1 - (pooled / pooled.sum())[taken], reference)
    shares = {part: Share.fit(p[reference]) for part, p in tails.items()}
    mean = float(np.mean([contrasts.WEIGHTS[part] for part in tails]))
    corrected = {part: shares[part].apply(p) for part, p in tails.items()}
    smallest = np.min([p * (mean / contrasts.WEIGHTS[part]) for part, p in corrected.items()], axis=0)
    smallest = np.clip(smallest, MIN_TAIL, 1.0)
    column_share = Share.fit(smallest[reference])
    spread = Share.fit(two_sided(np.abs(z[reference][:, kept]).max(axis=1))).k
    return ColumnTest(
        name=name,
        statistics=-np.log(column_share.apply(smallest)) + 0.5 * np.log(spread),
        p_parts={part: float(p[0]) for part, p in corrected.items()},
        shares=shares,
        column_share=column_share,
        spread=spread,
        contrasts=asked,
        z=z[0],
        deviations=np.where(kept, deviations, 0.0),
        clusters=clusters,
        pooled=pooled,
    )


def _omnibus(t: Floats, weights: Floats, reference: slice) -> Floats:
    """Returns tail probabilities of the weighted sum of squares by a gamma distribution with its mean and variance.

    The second-order correction of Rao & Scott 1981, its moments taken over the references.
    """
    q = np.square(t) @ weights
    mean, variance = float(q[reference].mean()), float(q[reference].var())
    if mean <= 0 or variance <= 0:
        return np.ones(len(q))
    p = special.gammaincc(mean**2 / variance, q * mean / variance)
    return np.asarray(np.clip(p, MIN_TAIL, 1.0))
