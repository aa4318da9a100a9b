"""`missing_column_check`: columns of the baseline that no row of the window has. Columns are compared by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from monitoring.baseline.constraints import FeatureConstraint
from monitoring.findings import wording
from monitoring.result import Grade, Violation
from monitoring.states.column import ColumnState


def is_absent(state: ColumnState | None) -> bool:
    """Returns True where no file of the window has the column."""
    return state is None or state.absent == state.rows


def check(
    expected: Sequence[FeatureConstraint],
    window: Mapping[str, ColumnState],
    columns: Collection[str],
    constrained: int,
    rows: int,
) -> list[Violation]:
    """Returns a violation for each of the `expected` columns that the window lacks.

    `columns` are those of the window, `constrained` counts the columns of the constraints. A column that training lacked
    everywhere is not missed, because captured data leaves out columns without a value.
    """
    if not rows:
        return []
    return [
        Violation(
            feature_name=feature.name,
            constraint_check_type="missing_column_check",
            description=(
                f"There are missing columns in current dataset. Number of columns in current dataset: {len(columns)}, "
                f"Number of columns in baseline constraints: {constrained}"
            ),
            sentence=f"No row of the window has {wording.column(feature.name)}{_training(feature)}.",
            grade=Grade.LARGE,
        )
        for feature in expected
        if feature.completeness != 0.0 and is_absent(window.get(feature.name))
    ]


def _training(feature: FeatureConstraint) -> str:
    return "" if feature.completeness is None else f"; {wording.percent(feature.completeness)} of the training rows do"
