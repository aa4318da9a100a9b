"""`range_check`: numbers below or above every value that training had.

A new sample exceeds the range of an old one now and then. The check therefore looks at the share outside, and at shares too
small for that where a value lies further out than the range is wide: an unknown sentinel such as -999.
"""

from __future__ import annotations

import math

from monitoring.checks.checked_column import CheckedColumn
from monitoring.findings import wording
from monitoring.findings.severity import grade_of_rise
from monitoring.result import Grade, Violation
from monitoring.states.binning import ColumnKind

SHARE = 0.02
"""The share of values outside the range that is a finding by itself."""
FAR_SHARE = 0.001
"""The share that is a finding where a value lies further out than the range is wide."""
CLOSE = 0.01
"""Values that lie outside by at most this part of the range's width are a small finding: another rounding."""
FEW_EVENTS = 10
"""Fewer events than this make a small finding, whatever their values are."""


def check(column: CheckedColumn) -> Violation | None:
    """Returns a violation where a share of the numbers lies outside the range of training."""
    state, binning = column.window, column.binning
    if binning is None or binning.kind is not ColumnKind.NUMERIC or math.isnan(binning.minimum + binning.maximum):
        return None
    outside, numbers = state.below + state.above, int(state.fine[:-1].sum())
    if not numbers or outside / numbers < (FAR_SHARE if _far(column) else SHARE):
        return None
    share = outside / numbers
    sides = [
        f"{wording.count(count)} {side} {wording.number(bound)}"
        for count, side, bound in ((state.below, "below", binning.minimum), (state.above, "above", binning.maximum))
        if count
    ]
    upwards = state.above >= state.below
    extreme, bound = (state.maximum, binning.maximum) if upwards else (state.minimum, binning.minimum)
    reach = f", {'up' if upwards else 'down'} to {_apart(extreme, bound)}" if math.isfinite(extreme) else ""
    infinite = f"; {wording.count(sum(state.infinities))} of them are infinite" if any(state.infinities) else ""
    return Violation(
        feature_name=column.name,
        constraint_check_type="range_check",
        description=f"Range requirement is not met. Expected: 100.0% in range. Observed: Only {100.0 * (1.0 - share)}%.",
        sentence=(
            f"{wording.percent(share)} of {wording.count(numbers)} values of {wording.column(column.name)} lie outside what "
            f"training had: {wording.joined(sides)}{reach}{infinite}."
        ),
        grade=_grade(column, share),
    )


def _grade(column: CheckedColumn, share: float) -> Grade:
    if (column.events or column.window.rows) < FEW_EVENTS or _close(column):
        return Grade.SMALL
    return min(grade_of_rise(share), Grade.MEDIUM, key=list(Grade).index)


def _close(column: CheckedColumn) -> bool:
    """Returns True where no value lies outside the range by more than a small part of its width."""
    state, binning = column.window, column.binning
    if binning is None or any(state.infinities):
        return False
    beyond = max(state.maximum - binning.maximum, binning.minimum - state.minimum)
    return beyond <= CLOSE * (binning.maximum - binning.minimum)


def _apart(extreme: float, bound: float) -> str:
    """Returns a value with as many digits as it takes to tell it from the bound of the range."""
    short = wording.number(extreme)
    return f"{extreme:.9g}" if short == wording.number(bound) else short


def _far(column: CheckedColumn) -> bool:
    """Returns True where a value lies further outside the range than the range is wide, or is infinite."""
    state, binning = column.window, column.binning
    if binning is None:
        return False
    width = binning.maximum - binning.minimum
    if width <= 0.0 or any(state.infinities):
        return any(state.infinities)
    return state.maximum > binning.maximum + width or state.minimum < binning.minimum - width
