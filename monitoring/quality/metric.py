"""What a metric is: a smooth function of additive sums by unit, with its scale and its direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Formula = Callable[["npt.NDArray[np.float64]"], "npt.NDArray[np.float64]"]


class IntervalScale(StrEnum):
    """On which scale an interval is made: shares on the logit, positive errors on the logarithm, others as they are."""

    SHARE = "share"
    POSITIVE = "positive"
    FREE = "free"


class Better(StrEnum):
    """Which direction is better; NEITHER where a metric describes and does not judge."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


@dataclass(frozen=True, eq=False)
class MetricSums:
    """A metric as its bootstrap sees it.

    `sums` is float64 of shape (units, k): additive sums. `formula` maps totals of shape (…, k) to values of shape (…).
    `value` is the exact value over all rows, None with `reason` where it is undefined. A metric whose `no_interval` gives
    a reason gets no interval. `support` is the number of units that have rows on which the value rests (the rarer label, predicted positives), None
    where every row counts.
    """

    name: str
    value: float | None
    sums: npt.NDArray[np.float64]
    formula: Formula
    scale: IntervalScale
    better: Better
    reason: str = ""
    no_interval: str = ""
    support: int | None = None


class Metric(msgspec.Struct, frozen=True):
    """A metric of a window. `value` is None with `reason` where it is undefined.

    `low` and `high` are the ends of the 95 % interval, None with `interval_reason` where there is too little to make one.
    `standard_deviation` is the standard deviation of the bootstrap.
    """

    name: str
    value: float | None
    better: str = str(Better.NEITHER)
    low: float | None = None
    high: float | None = None
    standard_deviation: float | None = None
    reason: str = ""
    interval_reason: str = ""


def undefined(name: str, reason: str, better: Better = Better.HIGHER) -> MetricSums:
    """Returns a metric that has no value."""
    return MetricSums(name, None, np.zeros((0, 1)), _nothing, IntervalScale.FREE, better, reason)


def ratio(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the first sum over the second, NaN where the second is 0."""
    return divide(totals[..., 0], totals[..., 1])


def divide(above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns `above / below`, NaN where `below` is 0."""
    result = np.full(np.broadcast(above, below).shape, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result


def _nothing(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.full(totals.shape[:-1], np.nan)
