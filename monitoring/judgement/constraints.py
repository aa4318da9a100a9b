"""The constraints of a baseline with the monitor's own settings above them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from monitoring.baseline.constraints import Constraints, FeatureConstraint, Overrides

if TYPE_CHECKING:
    from monitoring.settings import MonitorSettings

_CONFIG = ("datatype_check_threshold", "domain_content_threshold")


def with_settings(constraints: Constraints, settings: MonitorSettings) -> Constraints:
    """Returns the constraints with the thresholds that `settings` give columns. A column without a constraint stays so."""
    return msgspec.structs.replace(
        constraints, features=tuple(_feature(feature, settings) for feature in constraints.features)
    )


def _feature(feature: FeatureConstraint, settings: MonitorSettings) -> FeatureConstraint:
    column = settings.column(feature.name)
    given = {name: getattr(column, name) for name in _CONFIG if getattr(column, name) is not None}
    config = feature.overrides.config | given
    completeness = feature.completeness if column.completeness is None else column.completeness
    return msgspec.structs.replace(
        feature, completeness=completeness, overrides=Overrides(config, feature.overrides.comparison)
    )
