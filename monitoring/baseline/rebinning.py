"""Makes a binned column from the statistics of a `statistics.json`, so that a window can be compared with it.

Each item of a sketch gets a fine bin of its own where there are few items; else fine bins hold equal shares of the values. The
outer bins are empty: they take the values outside the baseline's range.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from monitoring.baseline.constraints import DataType
from monitoring.baseline.statistics_reader import FeatureStatistics
from monitoring.states.binning import (
    COARSE_BINS,
    DOMAIN_SIZE,
    FINE_BINS,
    ColumnBinning,
    ColumnKind,
    coarse_of_categories,
)
from monitoring.states.column import ColumnState, ValueKind
from monitoring.states.text import short

_KIND_OF_TYPE = {
    DataType.INTEGRAL: ValueKind.INTEGRAL,
    DataType.FRACTIONAL: ValueKind.FRACTIONAL,
    DataType.BOOLEAN: ValueKind.BOOLEAN,
    DataType.STRING: ValueKind.STRING,
    DataType.LIST: ValueKind.LIST,
}

_ARROW_TYPE = {
    DataType.INTEGRAL: "int64",
    DataType.FRACTIONAL: "double",
    DataType.BOOLEAN: "bool",
    DataType.STRING: "string",
}


def binned(feature: FeatureStatistics) -> tuple[ColumnBinning, ColumnState]:
    """Returns the bins of a feature and its counts in them. The kind is UNKNOWN where it has no distribution."""
    if len(feature.items):
        return _numeric(feature)
    if feature.categories:
        return _categorical(feature)
    binning = _binning(feature, ColumnKind.UNKNOWN, np.zeros(0), (), np.zeros(1, np.int64))
    return binning, _state(feature, binning, np.array([feature.missing]), np.zeros(0))


def _numeric(feature: FeatureStatistics) -> tuple[ColumnBinning, ColumnState]:
    items, counts = feature.items, feature.counts
    edges = _edges(feature)
    places = np.searchsorted(edges, items, side="left")
    fine = np.zeros(len(edges) + 1, np.int64)
    np.add.at(fine, places, counts)
    sums = np.zeros(len(edges) + 1)
    np.add.at(sums, places, items * counts)
    binning = _binning(feature, ColumnKind.NUMERIC, edges, (), coarse_of_counts(fine))
    return binning, _state(feature, binning, np.append(fine, feature.missing), sums)


def _edges(feature: FeatureStatistics) -> npt.NDArray[np.float64]:
    """Returns increasing edges: one just below the smallest value, one at the largest, the others between them."""
    items, counts = feature.items, feature.counts
    if len(items) > FINE_BINS - 2:
        cumulated = np.cumsum(counts)
        wanted = np.arange(1, FINE_BINS - 1) * (cumulated[-1] / (FINE_BINS - 2))
        inner = items[np.minimum(np.searchsorted(cumulated, wanted, side="left"), len(items) - 1)]
    else:
        inner = items
    low = items[0] if feature.minimum is None or feature.minimum > items[0] else feature.minimum
    high = items[-1] if feature.maximum is None or feature.maximum < items[-1] else feature.maximum
    return np.unique(np.concatenate([[np.nextafter(low, -np.inf)], inner, [high]]))


def coarse_of_counts(fine: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the coarse bin of each fine bin, by equal shares of the values; the bin of missing values comes last.

    `fine` has shape (fine,), the result (fine + 1,).
    """
    total = max(1, int(fine.sum()))
    twice_middle = 2 * np.cumsum(fine) - fine
    groups = np.minimum(COARSE_BINS - 1, twice_middle * COARSE_BINS // (2 * total))
    numbered = np.cumsum(np.diff(groups, prepend=groups[:1]) > 0)
    return np.append(numbered, numbered[-1] + 1 if len(numbered) else 0)


def _categorical(feature: FeatureStatistics) -> tuple[ColumnBinning, ColumnState]:
    known: dict[str, int] = {}
    for value, count in feature.categories.items():  # Long values stand in states by their beginning and a digest.
        known[short(value)] = known.get(short(value), 0) + count
    ordered = sorted(known.items(), key=lambda entry: (-entry[1], entry[0]))[:DOMAIN_SIZE]
    counts = [count for _, count in ordered]
    others = max(0, feature.present - sum(counts))
    coarse = coarse_of_categories(counts, feature.present + feature.missing)
    domain = tuple(value for value, _ in ordered)
    binning = _binning(feature, ColumnKind.CATEGORICAL, np.zeros(0), domain, coarse, domain_complete=not others)
    return binning, _state(feature, binning, np.array([*counts, others, feature.missing]), np.zeros(0))


def _binning(
    feature: FeatureStatistics,
    kind: ColumnKind,
    edges: npt.NDArray[np.float64],
    domain: tuple[str, ...],
    coarse: npt.NDArray[np.int64],
    *,
    domain_complete: bool = True,
) -> ColumnBinning:
    return ColumnBinning(
        name=feature.name,
        kind=kind,
        edges=edges,
        domain=domain,
        coarse_of_fine=coarse,
        centre=feature.mean if feature.mean is not None else 0.0,
        minimum=float("nan") if feature.minimum is None else feature.minimum,
        maximum=float("nan") if feature.maximum is None else feature.maximum,
        type_name=_ARROW_TYPE.get(feature.data_type, ""),
        domain_complete=domain_complete,
    )


def _state(
    feature: FeatureStatistics, binning: ColumnBinning, fine: npt.NDArray[np.int64], sums: npt.NDArray[np.float64]
) -> ColumnState:
    kinds = np.zeros(len(ValueKind), np.int64)
    for kind, count in (
        feature.kinds or {_KIND_OF_TYPE.get(feature.data_type, ValueKind.OTHER): feature.present}
    ).items():
        kinds[kind] = count
    items, counts = feature.items, feature.counts
    finite = feature.present - sum(feature.infinities) if feature.numeric else 0
    offset = (feature.mean or 0.0) - binning.centre
    return ColumnState(
        rows=feature.present + feature.missing,
        missing=feature.missing,
        kinds=kinds,
        zero_one=max(0, int(counts[(items == 0) | (items == 1)].sum()) - int(kinds[ValueKind.BOOLEAN])),
        negatives=int(counts[items < 0].sum()),
        infinities=feature.infinities,
        finite=finite,
        sum1=offset * finite,
        sum2=((feature.std_dev or 0.0) ** 2 + offset**2) * finite,
        minimum=float("inf") if feature.minimum is None else feature.minimum,
        maximum=float("-inf") if feature.maximum is None else feature.maximum,
        fine=fine.astype(np.int64),
        sums=sums,
        types={binning.type_name: feature.present + feature.missing} if binning.type_name else {},
    )
