"""`non_negative_check`: numbers below 0 where training had none. Model Monitor suggests the constraint and never checks it."""

from __future__ import annotations

from monitoring.baseline.constraints import DataType
from monitoring.checks.checked_column import CheckedColumn
from monitoring.findings import wording
from monitoring.findings.severity import grade_of_rise
from monitoring.result import Violation


def check(column: CheckedColumn) -> Violation | None:
    """Returns a violation where a number of the window is negative and the constraint forbids it."""
    state = column.window
    numeric = column.constraint.data_type in (DataType.INTEGRAL, DataType.FRACTIONAL)
    if not numeric or column.constraint.non_negative is not True or not state.negatives:
        return None
    share = state.negatives / state.present
    lowest = f"; the smallest is {wording.number(state.minimum)}" if state.finite else ""
    return Violation(
        feature_name=column.name,
        constraint_check_type="non_negative_check",
        description=f"Non-negative requirement is not met. Expected: 0.0% negative. Observed: {100.0 * share}% negative.",
        sentence=(
            f"{wording.count(state.negatives)} of {wording.count(state.present)} values of {wording.column(column.name)} "
            f"({wording.percent(share)}) are negative{lowest}. Training had no negative value."
        ),
        grade=grade_of_rise(share),
    )
