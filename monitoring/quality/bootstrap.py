"""95 % intervals by a studentized bootstrap over units (Efron and Tibshirani 1993, chapter 12).

Units are drawn with replacement; each draw gives the metric and, by the delta method, its own standard error, on a scale
on which the metric is nearly symmetric. The quantiles of the studentized draws make the interval. An ordinary percentile
interval holds the truth too rarely for few units and rare positives. Where few units decide the value there is no
interval at all: `effective_units` is (Σ f²)² / Σ f⁴ over the units' influences f, for a rare positive about their number.
Windows with an unlucky e below the limit L get none, so those that pass are not typical: with e effective units an interval
is wider by 1/e + (L/e)⁴/10. A metric of a rare label also needs MIN_SUPPORT units with that label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.metric import IntervalScale, Metric, MetricSums

if TYPE_CHECKING:
    import numpy.typing as npt

DRAWS = 1000
MIN_UNITS = 30
MIN_EFFECTIVE_UNITS = 10.0
MIN_SUPPORT = 15
_CHUNK = 250
_TAIL = 0.025
_MAX_UNDEFINED = 0.01
"""Share of draws in which the metric may be undefined."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The ends of an interval and the standard deviation of the draws, or None with the reason."""

    low: float | None
    high: float | None
    standard_deviation: float | None
    reason: str = ""


def measure(metrics: Sequence[MetricSums], rng: np.random.Generator, draws: int = DRAWS) -> tuple[Metric, ...]:
    """Returns the metrics with their intervals. All metrics see the same draws."""
    made = make_intervals(metrics, rng, draws)
    return tuple(
        Metric(
            name=metric.name,
            value=None if metric.value is None else float(metric.value),
            better=str(metric.better),
            low=interval.low,
            high=interval.high,
            standard_deviation=interval.standard_deviation,
            reason=metric.reason,
            interval_reason=interval.reason,
        )
        for metric, interval in zip(metrics, made, strict=True)
    )


def make_intervals(metrics: Sequence[MetricSums], rng: np.random.Generator, draws: int = DRAWS) -> list[Interval]:
    """Returns a 95 % interval for each metric; its units are the rows of `sums`."""
    refused = [_refusal(metric) for metric in metrics]
    kept = [metric for metric, reason in zip(metrics, refused, strict=True) if not reason]
    drawn = _draw(kept, rng, draws)
    found = iter([_interval(metric, *pair) for metric, pair in zip(kept, drawn, strict=True)])
    return [Interval(None, None, None, reason) if reason else next(found) for reason in refused]


def effective_units(metric: MetricSums) -> float:
    """Returns how many units decide the metric's value: (Σ f²)² / Σ f⁴ over their influences."""
    squares = _influence(metric) ** 2
    fourth = float((squares**2).sum())
    return float(squares.sum()) ** 2 / fourth if fourth > 0 else 0.0


def _refusal(metric: MetricSums) -> str:
    if metric.value is None:
        return metric.reason
    if metric.no_interval:
        return metric.no_interval
    units = len(metric.sums)
    if units < MIN_UNITS:
        return f"too few: {units} units, {MIN_UNITS} are needed"
    if metric.scale is IntervalScale.SHARE and not 0 < metric.value < 1:
        return f"too few: the value is {metric.value:g} in all {units} units"
    if metric.scale is IntervalScale.POSITIVE and metric.value <= 0:
        return "too few: no unit has an error"
    if metric.support is not None and metric.support < MIN_SUPPORT:
        return f"too few: {metric.support} units have the rows that decide, {MIN_SUPPORT} are needed"
    effective = effective_units(metric)
    if effective < MIN_EFFECTIVE_UNITS:
        return f"too few: about {effective:.0f} units decide the value, {MIN_EFFECTIVE_UNITS:.0f} are needed"
    return ""


def _influence(metric: MetricSums) -> npt.NDArray[np.float64]:
    """Returns the influence of each unit on the metric, float64 of shape (units,), by the delta method."""
    totals = metric.sums.sum(axis=0)
    gradient = _gradient(metric, totals[None, :])[0]
    influence: npt.NDArray[np.float64] = (metric.sums - totals / len(metric.sums)) @ gradient
    return influence


def _gradient(metric: MetricSums, totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the derivative of the formula by each sum, shape of `totals` (draws, k), by central differences."""
    scale = np.abs(metric.sums).sum(axis=0) * 1e-5 + 1e-12
    result = np.empty_like(totals)
    for column, step in enumerate(scale):
        moved = np.zeros(totals.shape[1])
        moved[column] = step
        result[:, column] = (metric.formula(totals + moved) - metric.formula(totals - moved)) / (2 * step)
    return result


def _draw(
    metrics: Sequence[MetricSums], rng: np.random.Generator, draws: int
) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Returns (values, standard errors) of each metric over the draws, both of shape (draws,)."""
    by_units: dict[int, list[int]] = {}
    for place, metric in enumerate(metrics):
        by_units.setdefault(len(metric.sums), []).append(place)
    results: dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = {}
    for units, places in by_units.items():
        columns, spans = _moments([metrics[place] for place in places])
        totals = np.concatenate([counts @ columns for counts in draw_counts(units, rng, draws)])
        for place, (first, k) in zip(places, spans, strict=True):
            results[place] = _values(metrics[place], totals[:, first : first + k + k * (k + 1) // 2], k, units)
    return [results[place] for place in range(len(metrics))]


def draw_counts(units: int, rng: np.random.Generator, draws: int) -> Sequence[npt.NDArray[np.float64]]:
    """Returns how often each unit is drawn, float64 of shape (≤ _CHUNK, units), for all draws in turn."""
    made = []
    for first in range(0, draws, _CHUNK):
        rows = min(_CHUNK, draws - first)
        chosen = rng.integers(0, units, size=(rows, units), dtype=np.int32) + np.arange(rows)[:, None] * units
        made.append(np.bincount(chosen.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64))
    return made


def _moments(metrics: Sequence[MetricSums]) -> tuple[npt.NDArray[np.float64], list[tuple[int, int]]]:
    """Returns the sums and the products of sums of each metric side by side, and where each metric's columns are."""
    parts, spans, first = [], [], 0
    for metric in metrics:
        k = metric.sums.shape[1]
        above, below = np.triu_indices(k)
        parts += [metric.sums, metric.sums[:, above] * metric.sums[:, below]]
        spans.append((first, k))
        first += k + len(above)
    return np.concatenate(parts, axis=1), spans


def _values(
    metric: MetricSums, drawn: npt.NDArray[np.float64], k: int, units: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    totals = drawn[:, :k]
    values = metric.formula(totals)
    gradient = _gradient(metric, totals)
    above, below = np.triu_indices(k)
    factor = np.where(above == below, 1.0, 2.0)
    second = drawn[:, k:] - totals[:, above] * totals[:, below] / units
    variance = (second * factor * gradient[:, above] * gradient[:, below]).sum(axis=1) * units / (units - 1)
    return values, np.sqrt(np.maximum(variance, 0))


def _interval(metric: MetricSums, values: npt.NDArray[np.float64], errors: npt.NDArray[np.float64]) -> Interval:
    value = metric.value
    assert value is not None  # noqa: S101
    influence = _influence(metric)
    units = len(influence)
    error = float(np.sqrt((influence**2).sum() * units / (units - 1)))
    to, back, slope = _scales(metric.scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        studentized = (to(values) - to(np.array(value))) / (errors * slope(values))
    usable = np.isfinite(studentized) & (errors > 0)
    if np.mean(~usable) > _MAX_UNDEFINED:
        return Interval(None, None, None, f"too few: undefined in {np.mean(~usable):.0%} of the draws")
    low, high = np.quantile(studentized[usable], [_TAIL, 1 - _TAIL], method="weibull")
    centre = to(np.array(value))
    width = error * slope(np.array(value)) * _widening(effective_units(metric))
    return Interval(
        float(back(centre - high * width)), float(back(centre - low * width)), float(np.std(values[usable], ddof=1))
    )


def _widening(effective: float) -> float:
    """Returns the factor by which an interval of `effective` units is wider, at least 1."""
    return 1 + 1 / effective + 0.1 * (MIN_EFFECTIVE_UNITS / effective) ** 4


Function = Callable[["npt.NDArray[np.float64]"], "npt.NDArray[np.float64]"]


def _scales(scale: IntervalScale) -> tuple[Function, Function, Function]:
    """Returns the transform, its inverse and its derivative."""
    if scale is IntervalScale.SHARE:
        return (lambda x: np.log(x / (1 - x))), (lambda x: 1 / (1 + np.exp(-x))), (lambda x: 1 / (x * (1 - x)))
    if scale is IntervalScale.POSITIVE:
        return np.log, np.exp, (lambda x: 1 / x)
    return (lambda x: x), (lambda x: x), np.ones_like
