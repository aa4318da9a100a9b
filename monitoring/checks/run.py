"""Runs every check of one window. Violations of predictions come first, then the order of the constraints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from capture.dataset import AGE_PREFIX, FIXED_COLUMNS, MISSING_PREFIX, RESCUED_DATA
from monitoring.baseline.constraints import Constraints, FeatureConstraint
from monitoring.checks import (
    baseline_drift_check,
    categorical_values_check,
    completeness_check,
    data_type_check,
    extra_column_check,
    missing_column_check,
    non_negative_check,
    range_check,
    renamed_column_check,
    store_checks,
)
from monitoring.checks.checked_column import CheckedColumn
from monitoring.result import ColumnResult, StoreHealth, Violation
from monitoring.states.binning import ColumnBinning
from monitoring.states.column import ColumnState

_BY_COLUMN = (
    data_type_check,
    completeness_check,
    categorical_values_check,
    non_negative_check,
    range_check,
)
_HASHED = (completeness_check,)
"""The checks that make sense for values that were captured as HMAC-SHA256."""


@dataclass(frozen=True, slots=True, eq=False)
class ComparedStates:
    """The states that the checks compare: columns by name, their bins, rows and requests of both sides.

    `predictions` are columns that hold predictions, `hashed` those captured as HMAC-SHA256, `ignored` those that the monitor
    leaves out.
    """

    columns: Mapping[str, ColumnState]
    rows: int
    events: int
    binning: Mapping[str, ColumnBinning]
    baseline: Mapping[str, ColumnState] = field(default_factory=dict)
    baseline_events: int = 0
    predictions: Collection[str] = frozenset()
    hashed: Collection[str] = frozenset()
    ignored: Collection[str] = frozenset()


def run_checks(
    constraints: Constraints,
    window: ComparedStates,
    *,
    drift: Iterable[ColumnResult] = (),
    stores: Sequence[StoreHealth] = (),
    store_limits: Mapping[str, float] | None = None,
) -> tuple[Violation, ...]:
    """Returns the violations of a window.

    `drift` are the columns as the drift decision judged them, `store_limits` the largest ages in seconds by feature group.
    Returns no violation where the constraints' `evaluate_constraints` is Disabled, or for a column where it is so there.
    """
    if not constraints.config.evaluate_constraints:
        return ()
    expected = [feature for feature in constraints.features if _evaluated(constraints, window, feature)]
    found = _column_sets(constraints, window, expected)
    for feature in expected:
        state = window.columns.get(feature.name)
        if state is not None and not missing_column_check.is_absent(state):
            found += _of_column(constraints, window, feature, state)
    for column in drift:
        if column.name not in window.ignored and constraints.compares(column.name):
            floor = constraints.floor_for(column.name, categorical=column.kind == "categorical")
            violation = baseline_drift_check.check(column, floor)
            found += [] if violation is None else [violation]
    found += store_checks.check(stores, store_limits)
    return _ordered(found, constraints, window)


def _evaluated(constraints: Constraints, window: ComparedStates, feature: FeatureConstraint) -> bool:
    return feature.name not in window.ignored and constraints.config_for(feature.name).evaluate_constraints


def _of_column(
    constraints: Constraints, window: ComparedStates, feature: FeatureConstraint, state: ColumnState
) -> list[Violation]:
    column = CheckedColumn(
        constraint=feature,
        config=constraints.config_for(feature.name),
        window=state,
        baseline=window.baseline.get(feature.name),
        binning=window.binning.get(feature.name),
        events=window.events,
        baseline_events=window.baseline_events,
    )
    checks = _HASHED if feature.name in window.hashed else _BY_COLUMN
    return [violation for check in checks if (violation := check.check(column)) is not None]


def _column_sets(
    constraints: Constraints, window: ComparedStates, expected: list[FeatureConstraint]
) -> list[Violation]:
    """Returns the violations of missing, extra and renamed columns."""
    names = set(constraints.names)
    there = [
        name
        for name, state in window.columns.items()
        if not missing_column_check.is_absent(state) and not is_ours(name) and name not in window.ignored
    ]
    # A baseline from training data has no predictions: those of the window are then no surprise.
    predicted = window.predictions if names.isdisjoint(window.predictions) else ()
    extra = [name for name in there if name not in names and name not in predicted]
    columns = [name for name in there if name in names or name in extra]
    missing = missing_column_check.check(expected, window.columns, columns, len(names), window.rows)
    surplus = extra_column_check.check(extra, window.columns, len(columns), len(names))
    gone, new = ([violation.feature_name for violation in found] for found in (missing, surplus))
    renamed = renamed_column_check.check(gone, new, window.binning, window.baseline, window.columns)
    return [*missing, *surplus, *renamed]


def is_ours(name: str) -> bool:
    """Returns True if `name` is a column of the captured dataset that holds no feature and no prediction."""
    return name in FIXED_COLUMNS or name == RESCUED_DATA or name.startswith((AGE_PREFIX, MISSING_PREFIX))


def _ordered(found: list[Violation], constraints: Constraints, window: ComparedStates) -> tuple[Violation, ...]:
    order = {name: number for number, name in enumerate(constraints.names)}

    def rank(violation: Violation) -> tuple[bool, int]:
        name = violation.feature_name
        return name not in window.predictions, order.get(name, len(order))

    return tuple(sorted(found, key=rank))
