"""Additive sums of each unit: all that a metric and its bootstrap need of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

MAX_UNITS = 10_000
"""More units are joined to blocks of random units: blocks are exchangeable as their units are."""


@dataclass(frozen=True, eq=False)
class RowUnits:
    """The unit of each row: `index` int64 of shape (n,) in 0 … `count` - 1; `units` is their number before blocking."""

    index: npt.NDArray[np.intp]
    count: int
    units: int

    def sums(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Returns the sum of `values` (n,) by unit, float64 of shape (count,)."""
        return np.bincount(self.index, weights=values, minlength=self.count).astype(np.float64, copy=False)


def group_units(ids: npt.NDArray[np.int64]) -> RowUnits:
    """Groups rows by the id of their unit; over MAX_UNITS units, ids are taken modulo MAX_UNITS."""
    units = count_distinct(ids)
    if units <= MAX_UNITS:
        return RowUnits(np.unique(ids, return_inverse=True)[1], units, units)
    blocks = _scattered(ids) % np.uint64(MAX_UNITS)
    return RowUnits(blocks.astype(np.intp), MAX_UNITS, units)


def count_distinct(ids: npt.NDArray[np.int64]) -> int:
    """Returns how many different ids there are; sorting is faster than NumPy's hash table for many of them."""
    ordered = np.sort(ids)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(len(ordered))


def _scattered(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Returns a mixed copy of the ids, so that neighbouring hours or days do not share a block."""
    mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(32))
