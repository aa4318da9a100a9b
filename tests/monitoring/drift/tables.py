"""Samples for the tests of the drift decision: rows of both sides, binned as the baseline's quantiles say."""

from __future__ import annotations

import numpy as np

from monitoring.drift.sample import ColumnSample


def edges_of(values, fine):
    """Edges that put ties into bins of their own, strictly increasing."""
    present = np.sort(values[~np.isnan(values)])
    picked = np.unique(np.quantile(present, np.linspace(0, 1, fine + 1)[:-1], method="lower"))
    below = np.nextafter(picked[0], -np.inf)
    return np.concatenate([[below], picked])


def numeric(name, base, wind, base_units, wind_units, *, fine=100, coarse=20, request_level=False, with_units=True):
    """A numeric column: values and unit ids of both sides, NaN where missing."""
    edges = edges_of(base, fine)
    share = np.searchsorted(np.sort(base[~np.isnan(base)]), edges, side="right") / max(1, (~np.isnan(base)).sum())
    group = np.minimum((share * coarse).astype(int), coarse - 1)
    of_fine = np.unique(np.concatenate([group, [coarse]]), return_inverse=True)[1]
    of_fine = np.concatenate([of_fine, [of_fine[-1] + 1]])
    return _sample(name, False, base, wind, base_units, wind_units, edges, of_fine, request_level, with_units)


def categorical(name, base, wind, base_units, wind_units, *, values, request_level=False, with_units=True):
    """A categorical column: codes into `values`, len(values) for any other value, NaN where missing."""
    of_fine = np.arange(values + 2)
    return _sample(name, True, base, wind, base_units, wind_units, None, of_fine, request_level, with_units)


def _sample(name, is_category, base, wind, base_units, wind_units, edges, of_fine, request_level, with_units):
    fine_b, sums_b = _fine(base, edges, len(of_fine))
    fine_w, sums_w = _fine(wind, edges, len(of_fine))
    return ColumnSample(
        name=name,
        categorical=is_category,
        request_level=request_level,
        baseline_fine=np.bincount(fine_b, minlength=len(of_fine)).astype(float),
        window_fine=np.bincount(fine_w, minlength=len(of_fine)).astype(float),
        coarse_of_fine=of_fine.astype(np.int64),
        window_units=_units(of_fine[fine_w], wind_units, of_fine[-1] + 1),
        baseline_units=_units(of_fine[fine_b], base_units, of_fine[-1] + 1) if with_units else None,
        edges=np.zeros(0) if is_category else edges,
        baseline_sums=sums_b,
        window_sums=sums_w,
        baseline_std=None if is_category else float(np.nanstd(base)) if np.isfinite(base).any() else None,
        labels=tuple(chr(97 + i) for i in range(len(of_fine) - 2)) if is_category else (),
    )


def _fine(values, edges, bins):
    missing = np.isnan(values)
    if edges is None:
        return np.where(missing, bins - 1, np.nan_to_num(values)).astype(int), np.zeros(0)
    fine = np.where(missing, bins - 1, np.searchsorted(edges, np.nan_to_num(values)))
    return fine, np.bincount(fine[~missing], weights=values[~missing], minlength=bins - 1)[: bins - 1]


def _units(coarse, units, bins):
    count = int(units.max()) + 1 if len(units) else 0
    return np.bincount(units * bins + coarse, minlength=count * bins).reshape(count, bins).astype(float)
