"""The largest of several contrasts between two sides, judged by a studentized bootstrap over units.

Each contrast is a sum of contributions of the units of both sides, with mean zero where nothing changed. Units are drawn
with replacement on either side, contributions centred, and every draw is divided by its own standard error, so that skewed
labels (rare positives) keep the level. The maximum over contrasts inside each draw makes p-values family-wise (Westfall and
Young 1993, single-step max-T).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.bootstrap import draw_counts

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

DRAWS = 999


def max_test(
    sides: tuple[Numbers, Numbers], changes: Numbers, rng: np.random.Generator, draws: int = DRAWS
) -> tuple[Numbers, Numbers, Numbers]:
    """Returns (p-value, z, standard error) of each contrast, float64 of shape (k,); p-values hold for all together.

    `sides` are the contributions of the units of both sides, of shapes (units, k); `changes` (k,) are the observed sums.
    """
    centred = [side - side.mean(axis=0) for side in sides]
    variance = sum(_variance((side**2).sum(axis=0), np.zeros(side.shape[1]), len(side)) for side in centred)
    errors: Numbers = np.sqrt(np.asarray(variance, np.float64))
    used = errors > 0
    z = np.zeros(len(errors))
    z[used] = changes[used] / errors[used]
    if not used.any():
        return np.ones(len(errors)), z, errors
    drawn = [_drawn(side[:, used], rng, draws) for side in centred]
    with np.errstate(divide="ignore", invalid="ignore"):
        studentized = np.abs(sum(s for s, _ in drawn) / np.sqrt(sum(v for _, v in drawn)))
    largest = np.nan_to_num(studentized, nan=np.inf).max(axis=1)
    p_values = np.array([(1 + (largest >= abs(value)).sum()) / (1 + draws) for value in z])
    return p_values, z, errors


def _drawn(centred: Numbers, rng: np.random.Generator, draws: int) -> tuple[Numbers, Numbers]:
    """Returns the sums and variances of each draw, both of shape (draws, k)."""
    columns = np.concatenate([centred, centred**2], axis=1)
    found = np.concatenate([counts @ columns for counts in draw_counts(len(centred), rng, draws)])
    k = centred.shape[1]
    return found[:, :k], _variance(found[:, k:], found[:, :k], len(centred))


def _variance(squares: Numbers, sums: Numbers, units: int) -> Numbers:
    """Returns the variance of a sum of independent units: n / (n - 1) times the squares about their mean."""
    result: Numbers = np.maximum(squares - sums**2 / units, 0) * units / (units - 1)
    return result
