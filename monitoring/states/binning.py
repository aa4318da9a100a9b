"""The bins of each column, fixed by the baseline, so that counts of different windows can be added and compared.

A column has *fine* bins, in which distances are computed, and *coarse* bins, which the counts by unit use. Coarse bins are
unions of fine bins. The last fine bin and the last coarse bin hold the rows without a value that fits: missing values, and
values of a type that cannot be binned (a string in a numeric column, a rescued cell).

The first fine bin of a numeric column holds the values below the baseline's minimum, the last one before the missing values
those above its maximum; both are empty in the baseline itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FINE_BINS = 512
COARSE_BINS = 20
DOMAIN_SIZE = 256
COARSE_CATEGORIES = 50
COARSE_SHARE = 0.002
"""A category with at least this share of the baseline's rows has a coarse bin of its own."""


class ColumnKind(StrEnum):
    """How a column is binned: by value, by category, by the length of its lists, or not at all.

    Booleans are NUMERIC with the values 0 and 1, so that a JSON number and a boolean meet in the same bins. Times of day and
    durations are NUMERIC in seconds, decimals are NUMERIC. Dates and timestamps are UNKNOWN: they move by themselves.
    """

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    LIST = "list"
    UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class ColumnBinning:
    """The bins of one column.

    `edges` (NUMERIC and LIST): float64 of shape (fine - 1,), strictly increasing; bin i holds edges[i-1] < x <= edges[i].
    `domain` (CATEGORICAL): the values of fine bins 0 … len(domain) - 1; bin len(domain) holds every other value. Values of
    more than 256 bytes are shortened by `states.text.short`. `domain_complete` says whether the baseline had no other value.
    `coarse_of_fine`: int64 of shape (fine + 1,), the coarse bin of each fine bin; its last entry is the bin of missing
    values. `outer` counts the edges at the low and the high end that lie beyond the range of the baseline: a chart shows with them
    where values went that training never saw. `centre` is where moments are taken about. `minimum` and `maximum` are the baseline's, NaN where it has none.
    `type_name` is the Arrow type that most of the baseline's rows have. `request_level`: the baseline counts the column once
    a request, so a window does too.
    """

    name: str
    kind: ColumnKind
    edges: npt.NDArray[np.float64]
    domain: tuple[str, ...]
    coarse_of_fine: npt.NDArray[np.int64]
    centre: float
    minimum: float
    maximum: float
    type_name: str = ""
    request_level: bool = False
    is_prediction: bool = False
    domain_complete: bool = True
    outer: tuple[int, int] = (0, 0)

    @property
    def fine(self) -> int:
        """The number of fine bins without the bin of missing values; 0 for a column that is not binned."""
        return len(self.coarse_of_fine) - 1

    @property
    def coarse(self) -> int:
        """The number of coarse bins, the bin of missing values included."""
        return int(self.coarse_of_fine[-1]) + 1


def coarse_of_categories(counts: Sequence[int], rows: int) -> npt.NDArray[np.int64]:
    """Returns the coarse bin of each value of the domain, of the other values, and of missing ones.

    `counts` falls. Values with a share of at least COARSE_SHARE of the rows have a bin of their own, at most COARSE_CATEGORIES
    of them.
    """
    own = sum(count >= COARSE_SHARE * rows for count in counts[:COARSE_CATEGORIES])
    return np.append(np.minimum(np.arange(len(counts) + 1), own), own + 1)
