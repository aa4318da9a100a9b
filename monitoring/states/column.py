"""The state of one column over some rows: counts, kinds of values, moments, bins. States of disjoint rows add."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

from monitoring.states.far_values import FarValues

HASHES = 1024
"""Smallest hashes of values kept for the distinct estimate (a KMV sketch)."""
UNSEEN_VALUES = 256
"""Values outside the domain that are counted by name: those with the smallest hashes, so that merging is exact."""
EXAMPLES = 5
"""Events kept for each reason: those with the smallest hashes."""


class ValueKind(IntEnum):
    """The kind of a present value. A whole double is INTEGRAL; NaN is missing and has no kind."""

    INTEGRAL = 0
    FRACTIONAL = 1
    BOOLEAN = 2
    STRING = 3
    LIST = 4
    OTHER = 5


class ExampleReason(StrEnum):
    """Why an event stands as an example of a column."""

    MISSING = "missing"
    BELOW = "below"
    ABOVE = "above"
    UNSEEN = "unseen"
    TYPE = "type"


Examples = tuple[tuple[int, str], ...]
"""(hash of the event id, event id), by ascending hash."""


@dataclass(slots=True)
class ColumnState:
    """What is known of one column.

    `rows` counts rows (events, for a request-level column); `missing` of them are null or NaN (`nans` of these NaN), and
    `absent` of the missing ones stand in files that lack the column. `request_rows` counts the rows that stand in files which
    call the column request-level. `kinds` is int64 of shape (6,), present values by `ValueKind`, rescued cells included;
    `rescued` counts those. `zero_one` counts numbers that are 0 or 1 (they satisfy Boolean), `negatives` numbers below 0,
    `below` and `above` those outside the baseline's range, `infinities` (negative, positive). Moments are about the binning's
    centre over finite values: `finite`, `sum1`, `sum2`, `minimum`, `maximum`. For lists all of these describe lengths. `fine`
    is int64 of shape (fine + 1,), counts by fine bin with the missing values last; its sum is `rows`. `sums` is float64 of
    shape (fine,), the sums of values by fine bin, clipped to the outer edges (0 for categories). `unseen` counts values
    outside the domain by name, at most UNSEEN_VALUES of them. `hashes` is the KMV sketch of strings: uint64, sorted, at most
    HASHES. `types` counts rows by Arrow type. `examples` holds at most EXAMPLES events by reason.
    `far` samples the values of the open outermost bins, or of a column that the baseline does not have.
    """

    rows: int = 0
    missing: int = 0
    nans: int = 0
    absent: int = 0
    request_rows: int = 0
    rescued: int = 0
    kinds: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(ValueKind), np.int64))
    zero_one: int = 0
    negatives: int = 0
    below: int = 0
    above: int = 0
    infinities: tuple[int, int] = (0, 0)
    finite: int = 0
    sum1: float = 0.0
    sum2: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")
    fine: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    sums: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    unseen: dict[str, int] = field(default_factory=dict)
    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    types: dict[str, int] = field(default_factory=dict)
    examples: dict[ExampleReason, Examples] = field(default_factory=dict)
    far: FarValues = field(default_factory=FarValues)

    @property
    def present(self) -> int:
        """Rows that have a value."""
        return self.rows - self.missing

    @property
    def completeness(self) -> float:
        """The share of rows that have a value; 1.0 without rows."""
        return self.present / self.rows if self.rows else 1.0

    @property
    def distinct(self) -> int:
        """The number of distinct strings: exact below HASHES, else the KMV estimate (Bar-Yossef et al. 2002)."""
        if len(self.hashes) < HASHES:
            return len(self.hashes)
        return round((HASHES - 1) / (float(self.hashes[-1]) / 2.0**64))

    def mean(self, centre: float) -> float | None:
        """Returns the mean of the finite values, about the binning's centre; None without one."""
        return centre + self.sum1 / self.finite if self.finite else None

    def std_dev(self) -> float | None:
        """Returns the population's standard deviation (ddof 0) of the finite values; None without one."""
        if not self.finite:
            return None
        return float(np.sqrt(max(0.0, self.sum2 / self.finite - (self.sum1 / self.finite) ** 2)))

    @property
    def type_name(self) -> str:
        """The Arrow type that most rows have; empty without rows."""
        return max(sorted(self.types), key=self.types.__getitem__, default="")
