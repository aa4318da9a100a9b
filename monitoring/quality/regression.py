"""Metrics of regression under Model Monitor's names: mae, mse, rmse, r2, and the mean error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.metric import Better, IntervalScale, MetricSums, divide, ratio, undefined

if TYPE_CHECKING:
    import numpy.typing as npt

    from monitoring.quality.state import QualityState
    from monitoring.quality.units import RowUnits


def regression_metrics(state: QualityState, units: RowUnits) -> list[MetricSums]:
    """Returns the metrics of a state with at least one row; errors are prediction minus label, in the label's unit."""
    weight, error = state.weight, state.predicted - state.label
    centre = float(np.average(state.label, weights=weight))
    deviation = state.label - centre
    n = units.sums(weight)
    absolute, squared = units.sums(weight * np.abs(error)), units.sums(weight * error**2)
    mse = float(squared.sum() / n.sum())
    pairs = np.column_stack([squared, n])
    found = [
        MetricSums(
            "mae",
            float(absolute.sum() / n.sum()),
            np.column_stack([absolute, n]),
            ratio,
            IntervalScale.POSITIVE,
            Better.LOWER,
        ),
        MetricSums("mse", mse, pairs, ratio, IntervalScale.POSITIVE, Better.LOWER),
        MetricSums("rmse", mse**0.5, pairs, _root, IntervalScale.POSITIVE, Better.LOWER),
    ]
    spread = float((weight * deviation**2).sum())
    if spread > 0 and len(state) > 1:
        sums = [squared, units.sums(weight * deviation**2), units.sums(weight * deviation), n]
        value = 1 - float(squared.sum()) / spread
        found.append(MetricSums("r2", value, np.column_stack(sums), _r2, IntervalScale.FREE, Better.HIGHER))
    else:
        found.append(undefined("r2", "all labels are equal"))
    mean = np.column_stack([units.sums(weight * error), n])
    value = float(mean[:, 0].sum() / n.sum())
    found.append(MetricSums("mean_error", value, mean, ratio, IntervalScale.FREE, Better.NEITHER))
    return found


def _root(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.sqrt(np.maximum(ratio(totals), 0))


def _r2(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns 1 - Σe² / Σ(y - mean)² from (Σe², Σd², Σd, n), d being the label minus a fixed centre."""
    spread = totals[..., 1] - divide(totals[..., 2] ** 2, totals[..., 3])
    return 1 - divide(totals[..., 0], spread)
