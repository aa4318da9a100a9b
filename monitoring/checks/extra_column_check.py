"""`extra_column_check`: columns of the window that the baseline does not know. Columns are compared by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.findings import wording
from monitoring.result import Grade, Violation
from monitoring.states.column import ColumnState


def check(extra: Sequence[str], window: Mapping[str, ColumnState], columns: int, constrained: int) -> list[Violation]:
    """Returns a violation for each of the `extra` columns that has a value.

    `columns` counts the columns of the window, `constrained` those of the constraints.
    """
    return [
        Violation(
            feature_name=name,
            constraint_check_type="extra_column_check",
            description=(
                f"There are extra columns in current dataset. Number of columns in current dataset: {columns}, "
                f"Number of columns in baseline constraints: {constrained}"
            ),
            sentence=(
                f"{wording.column(name)} was not in the training data; "
                f"{wording.percent(window[name].completeness)} of {wording.counted(window[name].rows, 'row')} have it."
            ),
            grade=Grade.SMALL,
        )
        for name in extra
        if window[name].present
    ]
