"""A monitor's settings win over the constraints of its baseline, column by column."""

import pytest

from monitoring.baseline.constraints import (
    Constraints,
    DataType,
    DistributionConstraints,
    FeatureConstraint,
    MonitoringConfig,
    Overrides,
)
from monitoring.baseline.monitor_overrides import with_settings
from monitoring.errors import UsageError
from monitoring.settings import ColumnSettings, MonitorSettings

CONSTRAINTS = Constraints(
    (
        FeatureConstraint("fare", DataType.FRACTIONAL, 1.0, overrides=Overrides({"datatype_check_threshold": 0.9})),
        FeatureConstraint("kind", DataType.STRING, 0.5),
    )
)


def test_no_settings_change_nothing():
    assert with_settings(CONSTRAINTS, MonitorSettings()) == CONSTRAINTS


def test_a_columns_settings_replace_its_thresholds():
    settings = MonitorSettings(
        columns={"fare": ColumnSettings(completeness=0.8, domain_content_threshold=0.7, floor=0.3)}
    )
    found = with_settings(CONSTRAINTS, settings)
    [fare, kind] = found.features
    assert (fare.completeness, kind) == (0.8, CONSTRAINTS.features[1])
    config = found.config_for("fare")
    assert (config.datatype_check_threshold, config.domain_content_threshold) == (0.9, 0.7)
    assert found.floor_for("fare", categorical=False) == 0.3
    assert found.floor_for("kind", categorical=True) == 0.1


def test_a_floor_of_the_monitor_replaces_the_shared_one():
    shared = Constraints(
        CONSTRAINTS.features, MonitoringConfig(distribution_constraints=DistributionConstraints(floor=0.02))
    )
    assert with_settings(shared, MonitorSettings(floor=0.05)).floor_for("kind", categorical=True) == 0.05


def test_a_column_that_the_baseline_does_not_have_is_named_with_the_one_that_may_be_meant():
    with pytest.raises(UsageError, match=r"columns.fares: the baseline has no such column; do you mean 'fare'\?"):
        with_settings(CONSTRAINTS, MonitorSettings(columns={"fares": ColumnSettings(floor=0.1)}))
    with_settings(CONSTRAINTS, MonitorSettings(columns={"new": ColumnSettings(ignore=True)}))
