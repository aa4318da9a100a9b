"""The smallest change that a window could have shown: found four times of five where it is there.

A change is found where a part's score passes the |z| that alone lifts the column to the alarm. The margins 0.84 (an 80 %
chance for one normal score) and 1.25 (for the largest of the CDF points) come from simulation; `tests/monitoring/drift` holds the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from monitoring.drift import contrasts
from monitoring.drift.contrasts import Contrasts
from monitoring.drift.parts import ColumnTest
from monitoring.drift.sample import Floats
from monitoring.drift.scores import root_deviance

_CHANCE = 0.84
_CHANCE_CDF = 1.25


@dataclass(frozen=True)
class Detectable:
    """What could have been seen. `linf`: a change of the CDF or of a share. `mean`: a shift of the mean in standard deviations.

    `missing`: a rise of the share of missing values. None where the column has no such part.
    """

    linf: float
    mean: float | None = None
    missing: float | None = None


def detectable(
    test: ColumnTest, critical: float, baseline: float, window: float, inflation: float = 1.0
) -> Detectable | None:
    """Returns the smallest changes that `window` units could have shown against `baseline` units at `critical`.

    None for a column without any variation, in which any change would have been seen.
    """
    if test.contrasts is None:
        return None
    half = float(np.sqrt(1 / window + 1 / baseline))
    needed = {part: test.score_needed(part, critical) * inflation for part in test.shares}
    mean = missing = None
    found: list[float] = []
    if contrasts.MISSING in needed:
        missing = _share(test, len(test.pooled) - 1, needed[contrasts.MISSING], baseline, window)
    if contrasts.CDF in needed:
        widest = float(test.deviations[list(test.contrasts.of(contrasts.CDF))].max())
        found.append((needed[contrasts.CDF] + _CHANCE_CDF) * widest * half)
    if contrasts.LOCATION in needed:
        mean = _location(test, test.contrasts, needed[contrasts.LOCATION], half)
    if contrasts.SHARES in needed:
        by_value = [
            _share(test, k, needed[contrasts.SHARES], baseline, window)
            for k in range(len(test.pooled))
            if test.deviations[k] > 0
        ]
        found.append(max(by_value, default=1.0))
    if not found and missing is not None:
        found.append(missing)
    return Detectable(min(1.0, max(found)), mean, missing) if found else None


def _location(test: ColumnTest, asked: Contrasts, needed: float, half: float) -> float:
    j = asked.of(contrasts.LOCATION)[0]
    present = test.pooled[:-1] / test.pooled.sum()
    scores: Floats = asked.weights[:-1, j]
    return float((needed + _CHANCE) * test.deviations[j] * half / (present @ np.square(scores)))


def _share(test: ColumnTest, k: int, needed: float, baseline: float, window: float) -> float:
    """Returns the smallest rise of bin k's share with a root deviance of `needed` + 0.84.

    It depends on the mean number of rows only through the cluster size, so the pooled counts give it.
    """
    total, count = float(test.pooled.sum()), float(test.pooled[k])
    f = window / (window + baseline)
    cluster = float(test.clusters[k])
    if cluster <= 0 or count <= 0:
        return 1.0
    base_rate = count / total
    window_rows, base_rows = total * f, total * (1 - f)

    def score(rise: float) -> float:
        x = np.array([(base_rate + rise) * window_rows / cluster])
        everything = x + base_rate * base_rows / cluster
        return float(root_deviance(x, everything, np.array([f]))[0]) - (needed + _CHANCE)

    most = 1.0 - base_rate
    if most <= 0 or score(most) < 0:
        return 1.0
    return float(optimize.brentq(score, 0.0, most))
