"""The sketch of a numeric column in Model Monitor's `statistics.json`: weighted items that stand for the values.

Model Monitor writes the compactors of Deequ's KLL sketch: `data[i]` is a list in which each item stands for 2^i values.
Levels are not sorted, and may be empty. The weights sum to the number of present values.

    data: [[3.0, 1.0], [2.0]]        3.0 once, 1.0 once, 2.0 twice

A histogram is written in the same form: for each set bit i of a bin's count, its upper edge stands in `data[i]`. Its CDF is
exact at the edges. The ten `buckets` beside a sketch are the sketch counted again, in equal widths from the smallest to the
largest value; each is open to the right, except the last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BUCKETS = 10
PARAMETERS = {"c": 0.64, "k": 2048.0}
"""Deequ's default parameters of a KLL sketch, which Model Monitor writes."""

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def levels_of(items: Floats, counts: Counts) -> list[list[float]]:
    """Returns the sketch in which each of `items` stands for as many values as its count.

    `items` and `counts` have shape (n,). Counts are at least 0.
    """
    highest = int(counts.max(initial=0)).bit_length()
    return [items[(counts >> level) & 1 == 1].tolist() for level in range(highest)]


def weighted_items(data: Sequence[Sequence[float]]) -> tuple[Floats, Counts]:
    """Returns the distinct items of a sketch in increasing order and how many values each stands for, both of shape (n,)."""
    levels = [np.asarray(level, dtype=np.float64) for level in data]
    if not levels:
        return np.zeros(0), np.zeros(0, np.int64)
    values = np.concatenate(levels)
    weights = np.concatenate([np.full(len(level), 1 << power, np.int64) for power, level in enumerate(levels)])
    items, places = np.unique(values, return_inverse=True)
    counts = np.zeros(len(items), np.int64)
    np.add.at(counts, places, weights)
    return items, counts


def equal_buckets(items: Floats, counts: Counts, minimum: float, maximum: float) -> list[tuple[float, float, int]]:
    """Returns (lower bound, upper bound, count) of ten buckets of equal width from `minimum` to `maximum`.

    A constant column has one bucket. Items outside the range count in the outer buckets.
    """
    if minimum == maximum:
        return [(minimum, maximum, int(counts.sum()))]
    numbers = np.arange(BUCKETS + 1)
    width = maximum - minimum
    if np.isfinite(width * BUCKETS):
        bounds = minimum + width * numbers / BUCKETS
    else:  # The width of the widest columns is more than a double holds.
        bounds = minimum * (1 - numbers / BUCKETS) + maximum * (numbers / BUCKETS)
    bounds[0], bounds[-1] = minimum, maximum
    places = np.clip(np.searchsorted(bounds, items, side="right") - 1, 0, BUCKETS - 1)
    totals = np.zeros(BUCKETS, np.int64)
    np.add.at(totals, places, counts)
    return [(float(bounds[i]), float(bounds[i + 1]), int(totals[i])) for i in range(BUCKETS)]
