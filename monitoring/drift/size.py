"""How large a change is: in probability (L-infinity) and in the value's own measure (the Wasserstein distance).

A sensor that rounds differently moves a CDF by 0.33 and every value by a thousandth. The grade is therefore the smaller of
the two measures; missing values, which have no value to shift, are graded by their share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitoring.drift import distances
from monitoring.drift.sample import ColumnSample, Floats
from monitoring.result import Grade

FLOOR = 0.02
"""The smallest L-infinity distance that counts as a change."""
_STEPS = (1.0, 2.5, 5.0)
"""Small, medium and large as multiples of the floor: 0.02, 0.05, 0.1 (Model Monitor's default threshold)."""
_SHIFT = 2.5
"""A mean shift of 2.5 x standard deviations has an L-infinity distance of about x in a normal distribution."""
SINGLE_ROUNDING = 6e-8
"""The relative error of a number that was rounded to a 32-bit float is at most 2^-24."""
_GRADES = (Grade.NONE, Grade.SMALL, Grade.MEDIUM, Grade.LARGE)


@dataclass(frozen=True)
class Size:
    """How far apart baseline and window lie. None where it is undefined.

    `linf`: largest difference of the CDFs or shares over all rows, missing values included. `linf_present`: of present
    values only. `missing`: window's share of missing values less the baseline's. `shift`: Wasserstein distance over the
    baseline's spread (the smaller of IQR / 1.349 and the standard deviation). `mean_shift`: difference of the means over the
    same spread.
    """

    linf: float
    linf_present: float | None
    missing: float
    shift: float | None
    mean_shift: float | None
    spread_ratio: float | None
    grade: Grade


def grade_of(value: float, floor: float) -> Grade:
    """Returns the grade of `value`: small from `floor` on, medium from 2.5, large from 5 times of it."""
    return _GRADES[sum(value >= step * floor * (1 - 1e-9) for step in _STEPS)]


def smaller(a: Grade, b: Grade) -> Grade:
    """Returns the smaller of two grades."""
    return _GRADES[min(_GRADES.index(a), _GRADES.index(b))]


def larger(a: Grade, b: Grade) -> Grade:
    """Returns the larger of two grades."""
    return _GRADES[max(_GRADES.index(a), _GRADES.index(b))]


def measure(sample: ColumnSample, floor: float = FLOOR) -> Size:
    """Returns how far the window lies from the baseline."""
    base, wind = sample.baseline_fine, sample.window_fine
    if base.sum() <= 0 or wind.sum() <= 0:
        return Size(0.0, None, 0.0, None, None, None, Grade.NONE)
    p, q = base / base.sum(), wind / wind.sum()
    missing = float(q[-1] - p[-1])
    if sample.categorical:
        linf = float(np.abs(q - p).max())
        return Size(linf, distances.linf_shares(base[:-1], wind[:-1]), missing, None, None, None, grade_of(linf, floor))
    linf = float(max(np.abs(np.cumsum(q - p)).max(), abs(missing)))
    present = distances.linf_cdf(base[:-1], wind[:-1])
    shift, mean_shift, ratio = _shift(sample)
    by_value = grade_of(0.0 if present is None else present, floor)
    if shift is not None:
        by_value = smaller(by_value, grade_of(shift, _SHIFT * floor))
    return Size(linf, present, missing, shift, mean_shift, ratio, larger(by_value, grade_of(abs(missing), floor)))


def _shift(sample: ColumnSample) -> tuple[float | None, float | None, float | None]:
    """Returns the shift, the difference of the means, both in spreads, and the ratio of the standard deviations."""
    base, wind = sample.baseline_fine[:-1], sample.window_fine[:-1]
    if len(sample.baseline_sums) != len(base) or len(sample.window_sums) != len(wind):
        return None, None, None
    if base.sum() <= 0 or wind.sum() <= 0:
        return None, None, None
    a, b = base[base > 0], wind[wind > 0]
    means_a, means_b = sample.baseline_sums[base > 0] / a, sample.window_sums[wind > 0] / b
    shift = _distance(a, b, means_a, means_b)
    if _positive_and_skewed(a, means_a) and means_b.min() > 0:
        logs = _distance(a, b, np.log(means_a), np.log(means_b))
        shift = max((s for s in (shift, logs) if s is not None), default=None)
    scale = spread(a, means_a)
    if scale is None:
        return (0.0 if _one_value_kept(base, wind, means_a, means_b) else None), None, None
    mean_a, mean_b = a @ means_a / a.sum(), b @ means_b / b.sum()
    deviation_a = np.sqrt(a @ np.square(means_a - mean_a) / a.sum())
    deviation_b = np.sqrt(b @ np.square(means_b - mean_b) / b.sum())
    ratio = float(deviation_b / deviation_a) if deviation_a > 0 else None
    return shift, float((mean_b - mean_a) / scale), ratio


def _one_value_kept(base: Floats, wind: Floats, means_a: Floats, means_b: Floats) -> bool:
    """Returns True where a column of one value holds this value still, up to the rounding of a 32-bit float.

    Sums are clipped to the outer edges, so values in other bins may have means equal to the baseline's: they count as moved.
    """
    if np.array_equal(base > 0, wind > 0):
        return True
    moved = np.abs(means_b - means_a[0])
    return bool(moved.max() > 0 and moved.max() <= SINGLE_ROUNDING * abs(means_a[0]))


def _distance(a: Floats, b: Floats, values_a: Floats, values_b: Floats) -> float | None:
    """Returns the Wasserstein distance over the spread of side a; None where a has none and the sides differ."""
    distance = distances.wasserstein(a, b, values_a, values_b)
    if distance is None or distance <= 1e-12 * float(np.abs(values_a).max(initial=0.0)):
        return 0.0
    scale = spread(a, values_a)
    return None if scale is None else distance / scale


def spread(weights: Floats, values: Floats) -> float | None:
    """Returns the smaller of IQR / 1.349 and the standard deviation; the latter where the IQR is 0; None where both are.

    `values` are in ascending order.
    """
    share = weights / weights.sum()
    deviation = float(np.sqrt(share @ np.square(values - share @ values)))
    low, high = _quantile(share, values, 0.25), _quantile(share, values, 0.75)
    if deviation <= 1e-12 * float(np.abs(values).max(initial=0.0)):
        return None
    robust = (high - low) / 1.349
    return min(robust, deviation) if robust > 0 else deviation


def _quantile(share: Floats, values: Floats, q: float) -> float:
    cumulated = np.cumsum(share)
    return float(values[min(int(np.searchsorted(cumulated, q - 1e-12)), len(values) - 1)])


def _positive_and_skewed(weights: Floats, values: Floats) -> bool:
    share = weights / weights.sum()
    return bool(values.min() > 0 and _quantile(share, values, 0.95) > 5 * _quantile(share, values, 0.5))
