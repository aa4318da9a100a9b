"""Calibration of a probability: predicted and observed rate, ECE, and the slope and intercept of a recalibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from monitoring.quality.binary import rarer_label_units, score_order
from monitoring.quality.metric import Better, IntervalScale, MetricSums, divide, undefined

if TYPE_CHECKING:
    import numpy.typing as npt

    from monitoring.quality.metric import Formula
    from monitoring.quality.state import QualityState
    from monitoring.quality.units import RowUnits

    Numbers = npt.NDArray[np.float64]

BINS = 10
_BIASED = "resampling adds noise to ECE"


class CalibrationBin(msgspec.Struct, frozen=True):
    """Rows whose probability lies in one tenth of the rows: their share, mean probability and share of positive labels."""

    share: float
    predicted: float
    observed: float


def calibration_bins(state: QualityState, bins: int = BINS) -> tuple[CalibrationBin, ...]:
    """Returns at most `bins` bins of about equal weight, by probability; equal probabilities share a bin."""
    if not len(state):
        return ()
    index, count = _bin_index(state.score, state.weight, bins)
    weight = np.bincount(index, weights=state.weight, minlength=count)
    predicted = np.bincount(index, weights=state.weight * state.score, minlength=count)
    observed = np.bincount(index, weights=state.weight * state.label, minlength=count)
    total = weight.sum()
    return tuple(
        CalibrationBin(float(w / total), float(p / w), float(o / w))
        for w, p, o in zip(weight, predicted, observed, strict=True)
        if w > 0
    )


def calibration_metrics(state: QualityState, units: RowUnits) -> list[MetricSums]:
    """Returns predicted and observed rate, their difference, ECE, slope and intercept of a state with rows.

    ECE is the mean absolute difference of rate and probability over bins of equal weight (Naeini et al. 2015); it has no
    interval, because resampling adds noise to it. Slope and intercept are those of a logistic regression of the label on
    the logit of the probability (Cox 1958): 1 and 0 for a calibrated model.
    """
    weight, n = state.weight, units.sums(state.weight)
    predicted, observed = units.sums(weight * state.score), units.sums(weight * state.label)
    sums = np.column_stack([predicted, observed, n])
    total, support = sums.sum(axis=0), rarer_label_units(state, units)
    ece = sum(b.share * abs(b.predicted - b.observed) for b in calibration_bins(state))
    found = [
        MetricSums("predicted_rate", total[0] / total[2], sums, _predicted, IntervalScale.SHARE, Better.NEITHER),
        MetricSums(
            "observed_rate", total[1] / total[2], sums, _observed, IntervalScale.SHARE, Better.NEITHER, support=support
        ),
        MetricSums(
            "calibration_gap",
            (total[0] - total[1]) / total[2],
            sums,
            _gap,
            IntervalScale.FREE,
            Better.NEITHER,
            support=support,
        ),
        MetricSums("ece", float(ece), np.zeros((0, 1)), _gap, IntervalScale.SHARE, Better.LOWER, no_interval=_BIASED),
    ]
    if not 0 < total[1] < total[2]:
        reason = "labels of one class only"
        return [*found, *(undefined(f"calibration_{name}", reason, Better.NEITHER) for name in ("slope", "intercept"))]
    return found + _recalibration(state, units)


def _predicted(t: Numbers) -> Numbers:
    return divide(t[..., 0], t[..., 2])


def _observed(t: Numbers) -> Numbers:
    return divide(t[..., 1], t[..., 2])


def _gap(t: Numbers) -> Numbers:
    return divide(t[..., 0] - t[..., 1], t[..., 2])


def _bin_index(score: Numbers, weight: Numbers, bins: int) -> tuple[npt.NDArray[np.intp], int]:
    """Returns the bin of each row and the number of bins; a score never stands in two bins."""
    order = score_order(score)
    ordered, middle = score[order], np.cumsum(weight[order]) - weight[order] / 2
    cuts = np.searchsorted(middle, middle[-1] * np.arange(1, bins) / bins)
    edges = np.unique(ordered[np.minimum(cuts, len(ordered) - 1)])
    return np.searchsorted(edges, score, side="right"), len(edges) + 1


def _recalibration(state: QualityState, units: RowUnits) -> list[MetricSums]:
    p = np.clip(state.score, 1e-12, 1 - 1e-12)
    x = np.log(p / (1 - p))
    beta = _logistic(x, state.label, state.weight)
    names = (("calibration_intercept", 0), ("calibration_slope", 1))
    if beta is None:
        reason = "the probability separates the labels, or is constant"
        return [undefined(name, reason, Better.NEITHER) for name, _ in names]
    fitted = 1 / (1 + np.exp(-(beta[0] + beta[1] * x)))
    spread, error = state.weight * fitted * (1 - fitted), state.weight * (state.label - fitted)
    information = np.array([[spread.sum(), spread @ x], [spread @ x, (spread * x) @ x]])
    steps = np.column_stack([units.sums(error), units.sums(error * x)]) @ np.linalg.inv(information)
    n = units.sums(state.weight)
    return [
        MetricSums(name, float(beta[i]), np.column_stack([steps[:, i], n]), _one_step(beta[i], n.sum()), IntervalScale.FREE, Better.NEITHER)
        for name, i in names
    ]  # fmt: skip


def _one_step(value: float, total: float) -> Formula:
    """Returns the coefficient after one Newton step: the first-order bootstrap of a logistic regression."""
    return lambda t: value + divide(t[..., 0], t[..., 1]) * total


def _logistic(x: Numbers, label: Numbers, weight: Numbers) -> Numbers | None:
    """Returns (intercept, slope) of a weighted logistic regression by Newton's method, None where it does not converge.

    The start is a calibrated model, so a few steps suffice.
    """
    beta: Numbers = np.array([0.0, 1.0])
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-np.clip(beta[0] + beta[1] * x, -500, 500)))
        spread = weight * fitted * (1 - fitted)
        a, b, c = float(spread.sum()), float(spread @ x), float((spread * x) @ x)
        error = weight * (label - fitted)
        determinant = a * c - b * b
        if not determinant > 1e-14 * max(a * c, 1e-300):
            return None
        first, second = float(error.sum()), float(error @ x)
        step = np.array([(c * first - b * second) / determinant, (a * second - b * first) / determinant])
        beta = beta + step
        if np.abs(beta).max() > 1e4:
            return None
        if np.abs(step).max() < 1e-10 * max(1.0, np.abs(beta).max()):
            return beta
    return None
