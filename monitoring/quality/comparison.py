"""The window's metrics against the baseline's: the change, its interval, and how large it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.quality.constraints_file import ERRORS, SMALL_ERROR, SMALL_SHARE
from monitoring.quality.measurement import primary_metrics
from monitoring.quality.metric import Better
from monitoring.quality.result import MetricComparison
from monitoring.result import Grade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.quality.metric import Metric
    from monitoring.quality.problem import Question

_GRADES = (Grade.SMALL, Grade.MEDIUM, Grade.LARGE)
SHARE_STEPS = (SMALL_SHARE, 0.05, 0.1)
"""Small, medium and large falls of metrics between 0 and 1, and of r2."""
ERROR_STEPS = (SMALL_ERROR, 0.125, 0.25)
"""Small, medium and large rises of errors, relative to the baseline."""
GAP_STEPS = (0.02, 0.04, 0.08)
"""Small, medium and large changes of the calibration gap, in probability."""


def compare(window: Sequence[Metric], baseline: Sequence[Metric], question: Question) -> tuple[MetricComparison, ...]:
    """Returns a comparison for each metric that both sides have and that has a direction; the primary ones come first.

    The interval of the change joins the two intervals by the MOVER method (Zou and Donner 2008), which needs no common
    draws. A metric without an interval is never `worse`: it was decided by too few units.
    """
    before = {metric.name: metric for metric in baseline}
    primary = primary_metrics(question)
    names = [*primary, *(m.name for m in window if m.better != Better.NEITHER and m.name not in primary)]
    now = {metric.name: metric for metric in window}
    pairs = [(now[name], before[name]) for name in names if name in now and name in before]
    return tuple(_compare(w, b) for w, b in pairs if w.value is not None and b.value is not None)


def grade_of(metric: str, change: float, baseline: float) -> Grade:
    """Returns how large a change for the worse is, by the steps above; `change` is its size without a sign."""
    steps, size = SHARE_STEPS, change
    if metric == "calibration_gap":
        steps = GAP_STEPS
    elif metric in ERRORS:
        steps, size = ERROR_STEPS, change / baseline if baseline > 0 else float(change > 0)
    reached = [grade for grade, step in zip(_GRADES, steps, strict=True) if size >= step]
    return reached[-1] if reached else Grade.NONE


def _compare(window: Metric, baseline: Metric) -> MetricComparison:
    assert window.value is not None  # noqa: S101
    assert baseline.value is not None  # noqa: S101
    change = window.value - baseline.value
    low, high, reason = _difference(window, baseline)
    if window.name == "calibration_gap":  # either direction is worse where the gap itself grows
        badly = abs(window.value) > abs(baseline.value)
        beyond = low is not None and high is not None and (low > 0 or high < 0)
        size = abs(window.value) - abs(baseline.value)
    elif window.better == Better.LOWER:
        badly, beyond, size = change > 0, low is not None and low > 0, change
    else:
        badly, beyond, size = change < 0, high is not None and high < 0, -change
    grade = grade_of(window.name, size, abs(baseline.value)) if badly else Grade.NONE
    worse = bool(badly and beyond and grade is not Grade.NONE)
    return MetricComparison(
        metric=window.name, baseline=baseline.value, window=window.value, change=change, low=low, high=high,
        worse=worse, grade=grade if worse else Grade.NONE, reason=reason,
    )  # fmt: skip


def _difference(window: Metric, baseline: Metric) -> tuple[float | None, float | None, str]:
    """Returns the ends of the interval of window minus baseline; a baseline without an interval is taken as exact."""
    if window.low is None or window.high is None or window.value is None or baseline.value is None:
        return None, None, window.interval_reason or "no interval"
    below = baseline.value - baseline.low if baseline.low is not None else 0.0
    above = baseline.high - baseline.value if baseline.high is not None else 0.0
    change = window.value - baseline.value
    low = change - ((window.value - window.low) ** 2 + above**2) ** 0.5
    high = change + ((window.high - window.value) ** 2 + below**2) ** 0.5
    return low, high, "" if baseline.low is not None else "the baseline has no interval: taken as exact"
