"""`renamed_column_check`: a missing and an extra column that are one column under two names.

Names that differ only by case, or by case and separators, are the same. Else the values are compared: the same type, alike
shares of missing values, and for numbers alike mean and spread, for strings mostly the same values. Then the check asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from monitoring.baseline.constraints import DataType
from monitoring.baseline.data_type import prevailing_type
from monitoring.findings import wording
from monitoring.result import Grade, Violation
from monitoring.states.binning import ColumnBinning
from monitoring.states.column import ColumnState

MIN_VALUES = 30
"""Present values that both columns need before their distributions are compared."""
MISSING, MEAN, SPREAD, SHARED = 0.05, 0.25, 1.25, 0.8
"""Largest differences: of the missing shares, of means in standard deviations, of spreads as a ratio; and the least Jaccard
similarity of two sets of strings."""
_NUMBERS = (DataType.INTEGRAL, DataType.FRACTIONAL)


def check(
    missing: Sequence[str],
    extra: Sequence[str],
    binning: Mapping[str, ColumnBinning],
    baseline: Mapping[str, ColumnState],
    window: Mapping[str, ColumnState],
) -> list[Violation]:
    """Returns a violation for each missing column that seems to have come under another name."""
    found = []
    left = list(extra)
    for name in missing:
        pair = _by_name(name, left)
        if pair is None and name in baseline and name in binning:
            alike = [other for other in left if _alike(binning[name], baseline[name], window[other])]
            pair = (alike[0], "same distribution: renamed?") if len(alike) == 1 else None
        if pair is not None:
            left.remove(pair[0])
            found.append(_violation(name, *pair))
    return found


def _by_name(name: str, others: Sequence[str]) -> tuple[str, str] | None:
    for other in others:
        if other.casefold() == name.casefold():
            return other, "the names differ only by case"
    for other in others:
        if _plain(other) and _plain(other) == _plain(name):
            return other, "the names differ only by case and separators"
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _alike(binning: ColumnBinning, before: ColumnState, after: ColumnState) -> bool:
    if min(before.present, after.present) < MIN_VALUES or abs(before.completeness - after.completeness) > MISSING:
        return False
    types = prevailing_type(before), prevailing_type(after)
    if types[0] in _NUMBERS and types[1] in _NUMBERS:
        return _alike_numbers(binning, before, after)
    return types == (DataType.STRING, DataType.STRING) and _alike_strings(before, after)


def _alike_numbers(binning: ColumnBinning, before: ColumnState, after: ColumnState) -> bool:
    spread, new_spread = before.std_dev(), after.std_dev()
    # A column that the baseline does not know has its moments about 0.
    mean, new_mean = before.mean(binning.centre), after.mean(0.0)
    if mean is None or new_mean is None or not spread or not new_spread:
        return False
    return abs(new_mean - mean) <= MEAN * spread and 1 / SPREAD <= new_spread / spread <= SPREAD


def _alike_strings(before: ColumnState, after: ColumnState) -> bool:
    both = np.union1d(before.hashes, after.hashes)
    if not len(before.hashes) or not len(after.hashes):
        return False
    return len(np.intersect1d(before.hashes, after.hashes)) >= SHARED * len(both)


def _violation(name: str, other: str, why: str) -> Violation:
    return Violation(
        feature_name=name,
        constraint_check_type="renamed_column_check",
        description=f"Column is missing and may have been renamed to: {other}",
        sentence=f"The window has no {wording.column(name)} and a new column {wording.column(other)}: {why}",
        grade=Grade.LARGE,
    )
