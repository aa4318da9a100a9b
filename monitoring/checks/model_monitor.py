"""What SageMaker Model Monitor would have said of a window: its rule, literally, over the same states.

It differs from `run` in five ways. Whole numbers count against Fractional. A completeness below the constraint violates it,
however small the difference. Columns are counted, not compared by name. Drift is a distance of present values over a
threshold, whatever the number of rows, columns and requests. Only the six documented checks exist.
"""

from __future__ import annotations

import numpy as np

from monitoring.baseline.constraints import Constraints, DataType, FeatureConstraint, MonitoringConfig
from monitoring.checks.categorical_values_check import unknown_values
from monitoring.checks.missing_column_check import is_absent
from monitoring.checks.run import ComparedStates, is_ours
from monitoring.drift.rules import ModelMonitorRule, RuleResult
from monitoring.result import Violation
from monitoring.states.binning import ColumnBinning, ColumnKind
from monitoring.states.column import ColumnState, ValueKind

MISSING_COLUMNS, EXTRA_COLUMNS = "Missing columns", "Extra columns"
"""The names under which the service lists violations of the number of columns."""

_KINDS = {
    DataType.INTEGRAL: ValueKind.INTEGRAL,
    DataType.FRACTIONAL: ValueKind.FRACTIONAL,
    DataType.STRING: ValueKind.STRING,
}


def service_violations(constraints: Constraints, window: ComparedStates) -> tuple[Violation, ...]:
    """Returns the violations that the service's rule finds, with its descriptions. Their `sentence` is empty."""
    if not constraints.config.evaluate_constraints or not window.rows:
        return ()
    found = _column_numbers(constraints, window)
    for feature in constraints.features:
        state, config = window.columns.get(feature.name), constraints.config_for(feature.name)
        if state is None or is_absent(state) or not config.evaluate_constraints:
            continue
        found += _type(feature, state, config)
        found += _completeness(feature, state)
        found += _categories(feature, state, window.binning.get(feature.name), config)
        found += _drift(feature, state, window, config)
    return tuple(found)


def service_drift(
    before: ColumnState, after: ColumnState, binning: ColumnBinning, config: MonitoringConfig
) -> RuleResult | None:
    """Returns what the service's drift rule says of a column; None where it does not compare the column."""
    comparison = config.distribution_constraints
    if not comparison.perform_comparison or binning.kind not in (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL):
        return None
    rule = ModelMonitorRule(
        comparison.comparison_threshold,
        comparison.comparison_method,
        comparison.categorical_comparison_threshold,
        comparison.categorical_drift_method,
    )
    categorical = binning.kind is ColumnKind.CATEGORICAL
    return rule.judge(before.fine.astype(np.float64), after.fine.astype(np.float64), categorical=categorical)


def service_type_share(state: ColumnState, expected: DataType) -> float | None:
    """Returns the share of present values that the service takes for the type; None for a type that it does not check."""
    kind = _KINDS.get(expected)
    return None if kind is None or not state.present else int(state.kinds[kind]) / state.present


def _type(feature: FeatureConstraint, state: ColumnState, config: MonitoringConfig) -> list[Violation]:
    share = service_type_share(state, feature.data_type)
    if share is None or share >= config.datatype_check_threshold:
        return []
    expected = feature.data_type
    return [
        _violation(
            feature.name,
            "data_type_check",
            f"Data type match requirement is not met. Expected data type: {expected}, "
            f"Expected match: {100.0 * config.datatype_check_threshold}%. Observed: Only {100.0 * share}% of data is {expected}.",
        )
    ]


def _completeness(feature: FeatureConstraint, state: ColumnState) -> list[Violation]:
    expected = feature.completeness
    if expected is None or state.completeness >= expected:
        return []
    text = (
        f"Data completeness requirement is not met. Expected: {100.0 * expected}%. "
        f"Observed: Only {100.0 * state.completeness}%."
    )
    return [_violation(feature.name, "completeness_check", text)]


def _categories(
    feature: FeatureConstraint, state: ColumnState, binning: ColumnBinning | None, config: MonitoringConfig
) -> list[Violation]:
    if feature.domain is None or binning is None or binning.kind is not ColumnKind.CATEGORICAL:
        return []
    total = int(state.fine[:-1].sum())
    unknown, _ = unknown_values(state, binning, feature.domain)
    if not total or (total - unknown) / total >= config.domain_content_threshold:
        return []
    text = f"Value: {(total - unknown) / total} does not meet the constraint requirement! "
    return [_violation(feature.name, "categorical_values_check", text)]


def _drift(
    feature: FeatureConstraint, state: ColumnState, window: ComparedStates, config: MonitoringConfig
) -> list[Violation]:
    binning, before = window.binning.get(feature.name), window.baseline.get(feature.name)
    found = None if binning is None or before is None else service_drift(before, state, binning, config)
    if found is None or not found.violated:
        return []
    text = f"Baseline drift distance: {found.distance} exceeds threshold: {found.threshold}"
    return [_violation(feature.name, "baseline_drift_check", text)]


def _column_numbers(constraints: Constraints, window: ComparedStates) -> list[Violation]:
    names = set(constraints.names)
    predicted = window.predictions if names.isdisjoint(window.predictions) else ()
    columns = sum(
        not is_absent(state) and not is_ours(name) and name not in predicted for name, state in window.columns.items()
    )
    numbers = (
        f"Number of columns in current dataset: {columns}, Number of columns in baseline constraints: {len(names)}"
    )
    if columns < len(names):
        text = f"There are missing columns in current dataset. {numbers}"
        return [_violation(MISSING_COLUMNS, "missing_column_check", text)]
    if columns > len(names):
        return [
            _violation(EXTRA_COLUMNS, "extra_column_check", f"There are extra columns in current dataset. {numbers}")
        ]
    return []


def _violation(name: str, check: str, description: str) -> Violation:
    return Violation(name, check, description, "")
