"""Suggests constraints from training data, as Model Monitor's baseline job does."""

from __future__ import annotations

import math
from collections.abc import Iterable

from monitoring.baseline.constraints import (
    FLOOR,
    Constraints,
    DataType,
    DistributionConstraints,
    FeatureConstraint,
    MonitoringConfig,
    Overrides,
)
from monitoring.baseline.data_type import matching, prevailing_type
from monitoring.states.binning import ColumnBinning, ColumnKind
from monitoring.states.column import ColumnState

_REPEATS = 2
"""Mean count of a category from which on the categories of a column are a domain, and not names of single rows."""


def suggest(columns: Iterable[tuple[ColumnBinning, ColumnState]]) -> Constraints:
    """Returns constraints that the training data satisfies, one for each column.

    Thresholds are Model Monitor's defaults. A column whose training values do not all have one type gets a threshold of its
    own for the type check.
    """
    features = tuple(_feature(binning, state) for binning, state in columns)
    return Constraints(features, MonitoringConfig(distribution_constraints=DistributionConstraints(floor=FLOOR)))


def _feature(binning: ColumnBinning, state: ColumnState) -> FeatureConstraint:
    data_type = prevailing_type(state)
    numeric = data_type in (DataType.INTEGRAL, DataType.FRACTIONAL)
    return FeatureConstraint(
        name=binning.name,
        data_type=data_type,
        completeness=state.completeness,
        non_negative=state.negatives == 0 if numeric else None,
        domain=_domain(binning, state) if data_type is DataType.STRING else None,
        overrides=Overrides(config=_type_threshold(state, data_type)),
    )


def _domain(binning: ColumnBinning, state: ColumnState) -> tuple[str, ...] | None:
    """Returns the categories, or None where the training data has more than the domain lists or hardly repeats them."""
    if binning.kind is not ColumnKind.CATEGORICAL or not binning.domain:
        return None
    counts = state.fine[: len(binning.domain)]
    if not binning.domain_complete or counts.sum() < _REPEATS * len(binning.domain):
        return None
    return binning.domain


def _type_threshold(state: ColumnState, data_type: DataType) -> dict[str, float]:
    """Returns the threshold of a column of mixed types: the training share, less three standard errors."""
    if not state.present:
        return {}
    share = matching(state, data_type) / state.present
    if share == 1.0:
        return {}
    error = math.sqrt(share * (1 - share) / state.present)
    return {"datatype_check_threshold": math.floor(1e4 * max(0.0, share - 3 * error)) / 1e4}
