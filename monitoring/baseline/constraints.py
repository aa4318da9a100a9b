"""The constraints of a baseline: Model Monitor's `constraints.json`, typed.

A constraint holds for one column: its type, its completeness, its sign, its known categories. The monitoring configuration
holds for all columns: which checks run and with which thresholds; a column may override any of its keys.

The file's schema is Model Monitor's, with two keys of ours: `value_type`, where Model Monitor has no name for a column's
type (Boolean, List, Other), and `floor` in `distribution_constraints`, the smallest L-infinity distance that our drift
decision calls large. A file without `floor` lends its `comparison_threshold` to that decision. `constraints_file` reads and
writes the JSON, `suggestion` makes constraints from training data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from monitoring.drift.rules import CategoricalMethod, ComparisonMethod

FLOOR = 0.02
"""The smallest L-infinity distance that counts as drift, where the constraints name none."""


class DataType(StrEnum):
    """The type of a column. Model Monitor knows the first four; the others are ours."""

    INTEGRAL = "Integral"
    FRACTIONAL = "Fractional"
    STRING = "String"
    UNKNOWN = "Unknown"
    BOOLEAN = "Boolean"
    LIST = "List"
    OTHER = "Other"


class DistributionConstraints(msgspec.Struct, frozen=True):
    """The key `distribution_constraints`: when two distributions count as different. Thresholds are distances, 0 to 1."""

    perform_comparison: bool = True
    comparison_threshold: float = 0.1
    comparison_method: ComparisonMethod = ComparisonMethod.ROBUST
    categorical_comparison_threshold: float = 0.1
    categorical_drift_method: CategoricalMethod = CategoricalMethod.LINF
    floor: float | None = None


class MonitoringConfig(msgspec.Struct, frozen=True):
    """The key `monitoring_config`. The two thresholds are the shares of values that must satisfy the check, 0 to 1."""

    evaluate_constraints: bool = True
    emit_metrics: bool = True
    datatype_check_threshold: float = 1.0
    domain_content_threshold: float = 1.0
    distribution_constraints: DistributionConstraints = DistributionConstraints()


class Overrides(msgspec.Struct, frozen=True):
    """What a column changes in the monitoring configuration: values by the keys of MonitoringConfig and Comparison."""

    config: dict[str, Any] = {}
    comparison: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self.config or self.comparison)


class FeatureConstraint(msgspec.Struct, frozen=True):
    """What one column must satisfy. None means that the check does not apply.

    `completeness` is the share of values that must be present, `non_negative` whether numbers must be at least 0, `domain`
    the known categories.
    """

    name: str
    data_type: DataType = DataType.UNKNOWN
    completeness: float | None = None
    non_negative: bool | None = None
    domain: tuple[str, ...] | None = None
    overrides: Overrides = Overrides()


class Constraints(msgspec.Struct, frozen=True):
    """The constraints of all columns, in the order of the file, and the configuration that they share."""

    features: tuple[FeatureConstraint, ...] = ()
    config: MonitoringConfig = MonitoringConfig()

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if len(names) != len(set(names)):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"columns with two constraints: {', '.join(map(repr, twice))}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the constrained columns."""
        return tuple(feature.name for feature in self.features)

    def feature(self, name: str) -> FeatureConstraint | None:
        """Returns the constraint of a column, or None where it has none."""
        return next((feature for feature in self.features if feature.name == name), None)

    def config_for(self, name: str) -> MonitoringConfig:
        """Returns the configuration that holds for a column: its overrides over the shared one."""
        feature = self.feature(name)
        return self.config if feature is None else merged(self.config, feature.overrides)

    def floor_for(self, name: str, *, categorical: bool) -> float:
        """Returns the smallest L-infinity distance that counts as drift in a column.

        It is the column's `floor`, else the column's own comparison threshold, else the shared `floor`, else the shared
        comparison threshold.
        """
        feature = self.feature(name)
        key = "categorical_comparison_threshold" if categorical else "comparison_threshold"
        own = feature.overrides.comparison if feature else {}
        shared = self.config.distribution_constraints
        for value in (own.get("floor"), own.get(key), shared.floor):
            if value is not None:
                return float(value)
        return float(getattr(shared, key))

    def compares(self, name: str) -> bool:
        """Returns whether the drift check runs for a column."""
        config = self.config_for(name)
        return config.evaluate_constraints and config.distribution_constraints.perform_comparison


def merged(config: MonitoringConfig, overrides: Overrides) -> MonitoringConfig:
    """Returns `config` with a column's overrides."""
    if not overrides:
        return config
    comparison = msgspec.structs.replace(config.distribution_constraints, **overrides.comparison)
    return msgspec.structs.replace(config, **overrides.config, distribution_constraints=comparison)
