"""`data_type_check`: the share of present values that satisfy the type of the column."""

from __future__ import annotations

from monitoring.baseline.constraints import DataType
from monitoring.baseline.data_type import matching
from monitoring.checks.checked_column import CheckedColumn
from monitoring.findings import wording
from monitoring.findings.severity import grade_of_types
from monitoring.result import Violation
from monitoring.states.column import ColumnState, ValueKind

_NOUNS = {
    ValueKind.INTEGRAL: "whole numbers",
    ValueKind.FRACTIONAL: "fractional numbers",
    ValueKind.BOOLEAN: "booleans",
    ValueKind.STRING: "strings",
    ValueKind.LIST: "lists",
    ValueKind.OTHER: "values of another type",
}
_EXPECTED = {
    DataType.INTEGRAL: "whole numbers",
    DataType.FRACTIONAL: "numbers",
    DataType.BOOLEAN: "booleans",
    DataType.STRING: "strings",
    DataType.LIST: "lists",
    DataType.OTHER: "of the type that training had",
}
"""What a type asks for, in words; a column of unknown type is not checked."""


def check(column: CheckedColumn) -> Violation | None:
    """Returns a violation where fewer present values than the threshold satisfy the type."""
    expected, state = column.constraint.data_type, column.window
    threshold = column.config.datatype_check_threshold
    if expected is DataType.UNKNOWN or not state.present:
        return None
    share = matching(state, expected) / state.present
    if share >= threshold:
        return None
    return Violation(
        feature_name=column.name,
        constraint_check_type="data_type_check",
        description=(
            f"Data type match requirement is not met. Expected data type: {expected}, Expected match: {100.0 * threshold}%. "
            f"Observed: Only {100.0 * share}% of data is {expected}."
        ),
        sentence=_sentence(column, share),
        grade=grade_of_types(threshold - share),
    )


def _sentence(column: CheckedColumn, share: float) -> str:
    state, expected = column.window, column.constraint.data_type
    training = ""
    if column.baseline is not None and column.baseline.present:
        before = 1.0 - matching(column.baseline, expected) / column.baseline.present
        training = f"; {wording.percent(before)} at training"
    found = wording.joined([f"{wording.count(count)} {_NOUNS[kind]}" for kind, count in _misfits(state, expected)])
    rescued = f", {wording.count(state.rescued)} of them rescued cells" if state.rescued else ""
    return (
        f"{wording.percent(1.0 - share)} of {wording.count(state.present)} values of {wording.column(column.name)} are not "
        f"{_EXPECTED[expected]}{training}. Found: {found}{rescued}."
    )


def _misfits(state: ColumnState, expected: DataType) -> list[tuple[ValueKind, int]]:
    """Returns the kinds of values that do not satisfy the type, with their counts."""
    fitting = {
        DataType.INTEGRAL: {ValueKind.INTEGRAL},
        DataType.FRACTIONAL: {ValueKind.INTEGRAL, ValueKind.FRACTIONAL},
        DataType.BOOLEAN: {ValueKind.BOOLEAN},
        DataType.STRING: {ValueKind.STRING},
        DataType.LIST: {ValueKind.LIST},
        DataType.OTHER: {ValueKind.OTHER},
    }[expected]
    counts = {kind: int(state.kinds[kind]) for kind in ValueKind if kind not in fitting}
    if expected is DataType.BOOLEAN:  # 0 and 1 satisfy Boolean.
        counts[ValueKind.INTEGRAL] -= state.zero_one
    return [(kind, count) for kind, count in counts.items() if count > 0]
