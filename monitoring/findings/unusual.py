"""How unusual an hour is among ordinary hours, column by column, and since when a column is.

The bare distance does not tell: an ordinary hour of a temperature has an L-infinity of 0.8 from the average of three months.
So an hour is held against the distances of the baseline's own hours. On the scale -log(1 - L∞), in which 0.02 and 0.04 are
as far apart as 0.80 and 0.96, *unusualness* is the hour's distance divided by that of the column's farthest ordinary hour.

With many columns some ordinary hour is the farthest in some column. The threshold is therefore joint: each ordinary hour is
held against the others, its largest unusualness over all columns is taken, and the threshold is the 95 % quantile of these,
at least 1. So about 5 in 100 ordinary hours have a coloured cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitoring.result import Grade

Floats = npt.NDArray[np.float64]
JOINT_LEVEL = 0.95
FLOOR = 0.02
MEDIUM, LARGE = 1.25, 1.6
"""Times the threshold from which an hour is medium or large."""
GAP = 2
"""Ordinary hours in a row that do not end a stretch of unusual ones."""
_NEAREST_ONE = 1 - 1e-6


def unusualness(distances: Floats, ordinary: Floats) -> tuple[Floats, float]:
    """Returns the unusualness of each hour and column, and the joint threshold.

    `distances`: L-infinity of shape (hours, columns), NaN where an hour has no rows. `ordinary`: the same of the baseline's
    hours, shape (units, columns), at least two. The result has the shape of `distances`.
    """
    far, held = _scale(distances), _scale(ordinary)
    top = np.sort(np.nan_to_num(held, nan=0.0), axis=0)[-2:]
    floor = _scale(np.array([FLOOR]))[0]
    largest = np.maximum(top[-1], floor)
    # The farthest hour is held against the second farthest, every other one against the farthest.
    others = np.where(held >= top[-1], np.maximum(top[0], floor), largest)
    joint = np.nanmax(np.nan_to_num(held / others, nan=0.0), axis=1)
    return far / largest, max(1.0, float(np.quantile(joint, JOINT_LEVEL)))


def grade_hours(distances: Floats, ordinary: Floats) -> list[list[Grade | None]]:
    """Returns the grade of each column in each hour: one list of hours a column, None for an hour without rows."""
    unusual, threshold = unusualness(distances, ordinary)
    pairs = zip(distances.T, unusual.T, strict=True)
    return [[_grade(x, u, threshold) for x, u in zip(*column, strict=True)] for column in pairs]


def unusual_since(grades: Sequence[Grade | None]) -> int | None:
    """Returns the index of the hour since which a column is unusual, None where its last judged hour is ordinary.

    Up to `GAP` ordinary hours in a row do not end the stretch. Hours that were not judged do not count.
    """
    found: int | None = None
    ordinary = 0
    for at in range(len(grades) - 1, -1, -1):
        if grades[at] is None:
            continue
        ordinary = ordinary + 1 if grades[at] is Grade.NONE else 0
        if ordinary > GAP or (ordinary and found is None):
            break
        found = found if ordinary else at
    return found


def _scale(distances: Floats) -> Floats:
    scaled: Floats = -np.log1p(-np.clip(distances, 0.0, _NEAREST_ONE))
    return scaled


def _grade(distance: float, unusual: float, threshold: float) -> Grade | None:
    if np.isnan(distance):
        return None
    if distance < FLOOR or unusual <= threshold:
        return Grade.NONE
    if unusual > LARGE * threshold:
        return Grade.LARGE
    return Grade.MEDIUM if unusual > MEDIUM * threshold else Grade.SMALL
