"""Columns for tests: their bins and states, counted from plain Python values."""

import math

import numpy as np

from monitoring.states.binning import ColumnBinning, ColumnKind
from monitoring.states.column import ColumnState, ValueKind


def _kind(value):
    if isinstance(value, bool):
        return ValueKind.BOOLEAN
    if isinstance(value, str):
        return ValueKind.STRING
    if isinstance(value, list):
        return ValueKind.LIST
    return ValueKind.INTEGRAL if math.isfinite(value) and float(value).is_integer() else ValueKind.FRACTIONAL


def numeric_binning(name, values, edges=None):
    """Bins with the given edges, else one for each distinct value and one on each side."""
    finite = np.array([value for value in values if value is not None and np.isfinite(value)], float)
    if edges is None:
        edges = np.unique(np.append(finite, np.nextafter(finite.min(), -np.inf)))
    edges = np.asarray(edges, float)
    coarse = np.append(np.arange(len(edges) + 1), len(edges) + 1)
    return ColumnBinning(
        name, ColumnKind.NUMERIC, edges, (), coarse, float(finite.mean()), float(finite.min()), float(finite.max())
    )


def category_binning(name, domain):
    coarse = np.arange(len(domain) + 2)
    return ColumnBinning(name, ColumnKind.CATEGORICAL, np.zeros(0), tuple(domain), coarse, 0.0, np.nan, np.nan)


def unknown_binning(name):
    return ColumnBinning(name, ColumnKind.UNKNOWN, np.zeros(0), (), np.zeros(1, np.int64), 0.0, np.nan, np.nan)


def state_of(binning, values, rescued=0):
    """Returns the state of these values; `rescued` of them are rescued cells."""
    present = [value for value in values if value is not None and value == value]
    numbers = np.array([v for v in present if isinstance(v, int | float) and not isinstance(v, bool)], float)
    finite = numbers[np.isfinite(numbers)]
    kinds = np.zeros(len(ValueKind), np.int64)
    for value in present:
        kinds[_kind(value)] += 1
    fine = np.zeros(binning.fine + 1, np.int64)
    sums = np.zeros(binning.fine)
    unseen: dict[str, int] = {}
    if binning.kind is ColumnKind.NUMERIC:
        places = np.searchsorted(binning.edges, numbers, side="left")
        np.add.at(fine, places, 1)
        np.add.at(sums, places[np.isfinite(numbers)], finite)
    elif binning.kind is ColumnKind.CATEGORICAL:
        for value in filter(lambda value: isinstance(value, str), present):
            known = value in binning.domain
            fine[binning.domain.index(value) if known else len(binning.domain)] += 1
            if not known:
                unseen[value] = unseen.get(value, 0) + 1
    missing = len(values) - len(present)
    fine[-1] = len(values) - fine.sum()
    offsets = finite - binning.centre
    return ColumnState(
        rows=len(values),
        missing=missing,
        rescued=rescued,
        kinds=kinds,
        zero_one=int(((numbers == 0) | (numbers == 1)).sum()),
        negatives=int((numbers < 0).sum()),
        below=int((numbers < binning.minimum).sum()),
        above=int((numbers > binning.maximum).sum()),
        infinities=(int((numbers == -np.inf).sum()), int((numbers == np.inf).sum())),
        finite=len(finite),
        sum1=float(offsets.sum()),
        sum2=float((offsets**2).sum()),
        minimum=float(finite.min(initial=np.inf)),
        maximum=float(finite.max(initial=-np.inf)),
        fine=fine,
        sums=sums,
        unseen=unseen,
    )


def numbers(name, values, edges=None):
    binning = numeric_binning(name, values, edges)
    return binning, state_of(binning, values)


def categories(name, values):
    domain = sorted({value for value in values if isinstance(value, str)})
    binning = category_binning(name, domain)
    return binning, state_of(binning, values)
