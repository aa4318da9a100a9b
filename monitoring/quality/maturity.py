"""Whether a window's labels are ripe: open, provisional or final; coverage and label rate by delay.

Labels come late and in part, and the early ones are not like the late ones. So a window gets a verdict only when its
labels have had the time that labels need, and when enough of them are there.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from monitoring.window import Window

    Numbers = npt.NDArray[np.float64]

DELAYS = (1.0, 3.0, 6.0, 12.0, 24.0, 48.0, 72.0, 168.0, 336.0, 720.0, 1440.0)
"""Hours from the event to its first label, at which the curves are kept."""
DEFAULT_MATURE_AFTER = dt.timedelta(days=1)
DEFAULT_MIN_COVERAGE = 0.5
COMPLETE = 0.995
"""From this share of labelled rows on a window is final whatever its age."""
_ARRIVED = 0.99


class LabelStage(StrEnum):
    """How far a window's labels are: OPEN (nothing to show), PROVISIONAL (numbers, no verdict, no alarm), FINAL."""

    OPEN = "open"
    PROVISIONAL = "provisional"
    FINAL = "final"


class DelayPoint(msgspec.Struct, frozen=True):
    """What was labelled within `hours` of the event: the share of all rows, and the mean label of those that came between
    the previous point and this one (None where none came)."""

    hours: float
    coverage: float
    label_rate: float | None


class Maturity(msgspec.Struct, frozen=True):
    """The maturity of a window: `coverage` is the share of rows with a label, `age_hours` the time from the window's end.

    `expected_coverage` is what the baseline's curve gives at this age, None without a curve. `reason` says why the window
    is not final. `labels_missing` is True where the window is old enough and labels are missing all the same.
    """

    stage: LabelStage
    coverage: float
    rows: int
    labelled: int
    age_hours: float
    mature_after_hours: float
    min_coverage: float
    reason: str = ""
    labels_missing: bool = False
    expected_coverage: float | None = None
    curve: tuple[DelayPoint, ...] = ()
    baseline_curve: tuple[DelayPoint, ...] = ()
    by_hour: tuple[tuple[str, int, int], ...] = ()


def delay_curve(delays: Numbers, labels: Numbers | None, rows: int) -> tuple[DelayPoint, ...]:
    """Returns the curve of first labels: `delays` in hours and `labels` of shape (labelled,), `rows` labelled or not.

    `labels` is None for class names, which have no mean.
    """
    points, previous = [], -np.inf
    ordered = np.sort(delays)
    for hours in DELAYS:
        mask = (delays > previous) & (delays <= hours)
        rate = float(labels[mask].mean()) if labels is not None and mask.any() else None
        reached = np.searchsorted(ordered, hours, side="right")
        points.append(DelayPoint(hours, float(reached / rows) if rows else 0.0, rate))
        previous = hours
    return tuple(points)


def mature_after(baseline: Sequence[DelayPoint]) -> dt.timedelta | None:
    """Returns the delay by which 99 % of the labels that ever came had come, None without a curve."""
    if not baseline or not baseline[-1].coverage:
        return None
    last = baseline[-1].coverage
    return dt.timedelta(hours=next(point.hours for point in baseline if point.coverage >= _ARRIVED * last))


def judge_maturity(
    window: Window,
    now: dt.datetime,
    rows: int,
    labelled: int,
    *,
    wait: dt.timedelta,
    min_coverage: float,
    curve: tuple[DelayPoint, ...] = (),
    baseline_curve: tuple[DelayPoint, ...] = (),
    by_hour: tuple[tuple[str, int, int], ...] = (),
) -> Maturity:
    """Returns the maturity of a window at `now`.

    FINAL: all rows but 0.5 % are labelled, or the window's end is at least `wait` ago and at least `min_coverage` of its
    rows are labelled. OPEN: the window has not ended, or it has no label yet. Otherwise PROVISIONAL.
    """
    age = (now - window.end) / dt.timedelta(hours=1)
    needed = wait / dt.timedelta(hours=1)
    coverage = labelled / rows if rows else 0.0
    stage, reason, missing = LabelStage.FINAL, "", False
    if now < window.end:
        stage, reason = LabelStage.OPEN, f"the window ends in {-age:.1f} h"
    elif not labelled:
        missing = rows > 0 and age >= needed
        stage, reason = LabelStage.OPEN, f"no label has arrived for any of {rows:,} rows"
    elif coverage >= COMPLETE:
        pass
    elif age < needed:
        stage, reason = LabelStage.PROVISIONAL, f"labels need {needed:g} h, the window ended {age:.1f} h ago"
    elif coverage < min_coverage:
        stage, missing = LabelStage.PROVISIONAL, True
        reason = f"{coverage:.1%} of the rows have a label, {min_coverage:.0%} are needed, and labels are due"
    return Maturity(
        stage, coverage, rows, labelled, age, needed, min_coverage, reason, missing,
        _expected(baseline_curve, age), curve, baseline_curve, by_hour,
    )  # fmt: skip


def _expected(curve: Sequence[DelayPoint], age: float) -> float | None:
    if not curve:
        return None
    hours = [0.0, *(point.hours for point in curve)]
    return float(np.interp(age, hours, [0.0, *(point.coverage for point in curve)]))
