"""Columns of the drift benchmarks: values to bins, bins to counts by request, both sides to samples.

Bins are the baseline's, as in `monitoring/states/binning.py`: 250 fine bins (the monitor has 512; rivals are computed on the
same bins), 20 coarse quantile bins that are unions of them and one on each side for values that the baseline
never saw, categories with a share of 0.2 % by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitoring.drift.sample import ColumnSample, Floats, Ints

FINE, COARSE = 250, 20
MIN_SHARE, MAX_CATEGORIES = 0.002, 50


@dataclass(frozen=True, eq=False)
class Column:
    """Rows of one column in the baseline's bins. `fine`: bin of each row, missing last; `request`: its request's number.

    Rows are ordered by request; `starts`: first row of each request, shape (requests + 1,). A request-level column has one
    row a request. `values`: the rows' values, NaN where missing (codes of categories).
    """

    name: str
    categorical: bool
    request_level: bool
    edges: Floats
    coarse_of_fine: Ints
    values: Floats
    fine: Ints
    starts: Ints
    labels: tuple[str, ...] = ()

    @property
    def coarse(self) -> int:
        return int(self.coarse_of_fine[-1]) + 1

    def rows(self, requests: Ints) -> Ints:
        """Returns the rows of some requests, in their order."""
        lengths = self.starts[requests + 1] - self.starts[requests]
        ends = np.cumsum(lengths)
        return np.repeat(self.starts[requests] - np.concatenate([[0], ends[:-1]]), lengths) + np.arange(
            ends[-1] if len(ends) else 0
        )

    def by_unit(self, requests: Ints, unit: Ints, units: int) -> Floats:
        """Returns counts by unit and coarse bin, shape (units, K); `unit`: the unit of each of `requests`."""
        lengths = self.starts[requests + 1] - self.starts[requests]
        cells = np.repeat(unit, lengths) * self.coarse + self.coarse_of_fine[self.fine[self.rows(requests)]]
        return np.bincount(cells, minlength=units * self.coarse).reshape(units, self.coarse).astype(np.float64)


def numeric_bins(values: Floats) -> tuple[Floats, Ints]:
    """Returns edges, shape (F - 1,), and the coarse bin of each fine bin, shape (F + 1,), of the baseline's `values`."""
    present = np.sort(values[~np.isnan(values)])
    if not len(present):
        return np.zeros(0), np.array([0, 1])
    picked = np.unique(np.quantile(present, np.linspace(0, 1, FINE - 1), method="lower"))
    edges = np.concatenate([[np.nextafter(picked[0], -np.inf)], picked])
    below = np.concatenate([[0], np.searchsorted(present, edges, side="right"), [len(present)]])
    middle = (below[1:] + below[:-1]) / 2 / len(present)
    group = 1 + np.minimum((middle * COARSE).astype(int), COARSE - 1)
    group[0], group[-1] = 0, COARSE + 1
    coarse = np.unique(group, return_inverse=True)[1]
    return edges, np.concatenate([coarse, [coarse[-1] + 1]]).astype(np.int64)


def numeric(name: str, values: Floats, starts: Ints, baseline: npt.NDArray[np.bool_], request_level: bool) -> Column:
    """Returns a numeric column, its bins from the rows where `baseline` is true."""
    edges, coarse = numeric_bins(values[baseline])
    fine = np.where(np.isnan(values), len(coarse) - 1, np.searchsorted(edges, np.nan_to_num(values)))
    return Column(name, False, request_level, edges, coarse, values, fine.astype(np.int64), starts)


def categorical(
    name: str,
    codes: Ints,
    labels: Sequence[str],
    starts: Ints,
    baseline: npt.NDArray[np.bool_],
    request_level: bool,
) -> Column:
    """Returns a categorical column of codes into `labels`, -1 where missing."""
    counts = np.bincount(codes[baseline & (codes >= 0)], minlength=len(labels))
    order = np.argsort(-counts, kind="stable")
    domain = order[counts[order] > 0]
    position = np.full(len(labels) + 1, len(domain))
    position[domain] = np.arange(len(domain))
    position[-1] = len(domain) + 1
    fine = position[codes]
    share = counts[domain] / max(1, counts.sum())
    own = (share >= MIN_SHARE) & (np.arange(len(domain)) < MAX_CATEGORIES)
    other = int(own.sum())
    coarse = np.concatenate([np.where(own, np.cumsum(own) - 1, other), [other, other + 1]])
    return Column(
        name, True, request_level, np.zeros(0), coarse.astype(np.int64), np.where(codes < 0, np.nan, codes),
        fine.astype(np.int64), starts, tuple(labels[k] for k in domain),
    )  # fmt: skip


def sample(
    column: Column, baseline: tuple[Ints, Ints, int], window: tuple[Ints, Ints, int], *, with_units: bool = True
) -> ColumnSample:
    """Returns the sample of (requests, unit of each, number of units) of both sides."""
    rows_b, rows_w = column.rows(baseline[0]), column.rows(window[0])
    bins = len(column.coarse_of_fine)
    return ColumnSample(
        name=column.name,
        categorical=column.categorical,
        request_level=column.request_level,
        baseline_fine=np.bincount(column.fine[rows_b], minlength=bins).astype(np.float64),
        window_fine=np.bincount(column.fine[rows_w], minlength=bins).astype(np.float64),
        coarse_of_fine=column.coarse_of_fine,
        window_units=column.by_unit(*window),
        baseline_units=column.by_unit(*baseline) if with_units else None,
        edges=column.edges,
        baseline_sums=_sums(column, rows_b),
        window_sums=_sums(column, rows_w),
        labels=column.labels,
    )


def _sums(column: Column, rows: Ints) -> Floats:
    if column.categorical:
        return np.zeros(0)
    values = column.values[rows]
    low, high = np.nanmin(column.values), np.nanmax(column.values)
    present = ~np.isnan(values)
    bins = len(column.coarse_of_fine) - 1
    return np.bincount(column.fine[rows][present], weights=np.clip(values[present], low, high), minlength=bins).astype(
        np.float64
    )
