"""What `monitor.toml` changes in the constraints of a baseline: thresholds by column, and the floor of the drift decision."""

from __future__ import annotations

import difflib

import msgspec

from monitoring.baseline.constraints import FLOOR, Constraints, FeatureConstraint, Overrides
from monitoring.errors import UsageError
from monitoring.settings import ColumnSettings, MonitorSettings


def with_settings(constraints: Constraints, settings: MonitorSettings) -> Constraints:
    """Returns the constraints with a monitor's settings over them.

    `settings.floor` replaces the shared floor where it is not the default. Raises UsageError where the settings name a column
    that the constraints do not have.
    """
    for name, column in settings.columns.items():
        if name not in constraints.names and column != ColumnSettings(ignore=column.ignore):
            near = difflib.get_close_matches(name, constraints.names, n=1)
            meant = f"; do you mean {near[0]!r}?" if near else ""
            raise UsageError(f"columns.{name}: the baseline has no such column{meant}")
    features = tuple(_changed(feature, settings.column(feature.name)) for feature in constraints.features)
    config = constraints.config
    if settings.floor != FLOOR:
        comparison = msgspec.structs.replace(config.distribution_constraints, floor=settings.floor)
        config = msgspec.structs.replace(config, distribution_constraints=comparison)
    return Constraints(features, config)


def _changed(feature: FeatureConstraint, settings: ColumnSettings) -> FeatureConstraint:
    config = {
        key: value
        for key in ("datatype_check_threshold", "domain_content_threshold")
        if (value := getattr(settings, key)) is not None
    }
    comparison = {} if settings.floor is None else {"floor": settings.floor}
    return msgspec.structs.replace(
        feature,
        completeness=feature.completeness if settings.completeness is None else settings.completeness,
        overrides=Overrides(
            {**feature.overrides.config, **config},
            {**feature.overrides.comparison, **comparison},
        ),
    )
