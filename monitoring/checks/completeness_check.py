"""`completeness_check`: the share of rows that have a value.

A completeness of exactly 1 and one that a person has set hold literally, as in Model Monitor. Any other is an estimate from
the training rows, which half of all windows without a change would fall below: a window violates it only where its fall is
more than sampling explains, with requests as the independent units. Under 10 requests an estimate is not judged.
"""

from __future__ import annotations

from monitoring.checks.checked_column import CheckedColumn
from monitoring.findings import wording
from monitoring.findings.chance import LEAST_UNITS, is_by_chance
from monitoring.findings.severity import grade_of_rise
from monitoring.result import Violation


def check(column: CheckedColumn) -> Violation | None:
    """Returns a violation where the window's completeness lies below the constraint's."""
    expected, state = column.constraint.completeness, column.window
    if expected is None or not state.rows or state.completeness >= expected or _by_chance(column, expected):
        return None
    training = "" if column.baseline is None else f"; {wording.percent(1.0 - column.baseline.completeness)} at training"
    return Violation(
        feature_name=column.name,
        constraint_check_type="completeness_check",
        description=(
            f"Data completeness requirement is not met. Expected: {100.0 * expected}%. "
            f"Observed: Only {100.0 * state.completeness}%."
        ),
        sentence=(
            f"{wording.percent(1.0 - state.completeness)} of {wording.count(state.rows)} {column.noun} lack "
            f"{wording.column(column.name)}{training}."
        ),
        grade=grade_of_rise(expected - state.completeness),
    )


def _by_chance(column: CheckedColumn, expected: float) -> bool:
    """Returns True where the constraint is an estimate and the window lies within its sampling error."""
    baseline = column.baseline
    if baseline is None or expected in (0.0, 1.0) or abs(expected - baseline.completeness) > 1e-9:
        return False
    units = min(column.window.rows, column.events or column.window.rows)
    baseline_units = min(baseline.rows, column.baseline_events or baseline.rows)
    if units < LEAST_UNITS:
        return True
    return is_by_chance(1.0 - column.window.completeness, units, 1.0 - expected, baseline_units)
