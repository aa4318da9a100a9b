"""Chooses the bins of each column from a survey of the training rows: what all rows hold, and a sample of them.

Numeric columns get up to 512 fine bins. A column of few distinct values gets a bin for each, any other quantile bins, so that
the L-infinity distance between two CDFs is right to 1/510. Edges lie just below the minimum and at the maximum:
values that training never saw have bins of their own, in steps of the standard deviation. Coarse bins are runs of fine bins of about 5 % each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from monitoring.states.binning import (
    COARSE_BINS,
    DOMAIN_SIZE,
    FINE_BINS,
    ColumnBinning,
    ColumnKind,
    coarse_of_categories,
)
from monitoring.states.column import ColumnState, ValueKind

if TYPE_CHECKING:
    from collections.abc import Mapping

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_INNER_EDGES = FINE_BINS - 3
_OUTER_STEPS: Floats = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
"""Distances of the edges beyond the range, in standard deviations of the training rows."""
_MIN_WIDTH = 1e-300
"""Just below a minimum of 0 lies an edge that is negative by less than this."""
_NO_EDGES: Floats = np.zeros(0)
_MEASURED = ("time32", "time64", "duration")
"""Types whose values are numbers though their kind is OTHER."""


def choose_kind(state: ColumnState) -> ColumnKind:
    """Returns the kind that most present values have; UNKNOWN without a value, and for dates and structs."""
    kinds = state.kinds
    numbers = int(kinds[ValueKind.INTEGRAL] + kinds[ValueKind.FRACTIONAL] + kinds[ValueKind.BOOLEAN])
    others = int(kinds[ValueKind.OTHER])
    if state.type_name.startswith(_MEASURED):
        numbers, others = numbers + others, 0
    counts = {
        ColumnKind.NUMERIC: numbers,
        ColumnKind.CATEGORICAL: int(kinds[ValueKind.STRING]),
        ColumnKind.LIST: int(kinds[ValueKind.LIST]),
        ColumnKind.UNKNOWN: others,
    }
    kind = max(counts, key=counts.__getitem__)
    return kind if counts[kind] else ColumnKind.UNKNOWN


def choose_bins(
    name: str,
    state: ColumnState,
    numbers: Floats,
    texts: Mapping[str, int],
    *,
    request_level: bool = False,
    is_prediction: bool = False,
) -> ColumnBinning:
    """Returns the bins of one column.

    `state` is the unbinned state of all rows; `numbers` are sampled finite values (lengths, for lists), `texts` counts sampled
    texts.
    """
    kind = choose_kind(state)
    edges, complete, outer = _NO_EDGES, True, (0, 0)
    domain: tuple[str, ...] = ()
    coarse = np.zeros(1, np.int64)
    if kind in (ColumnKind.NUMERIC, ColumnKind.LIST) and state.finite:
        edges = numeric_edges(numbers, state.minimum, state.maximum)
        coarse = coarse_of_numbers(numbers, edges)
        # A column of one value has no spread: its further edges lie in steps of the value itself.
        edges, coarse, outer = with_outer_edges(edges, coarse, state.std_dev() or abs(state.maximum) or 1.0)
    elif kind is ColumnKind.CATEGORICAL:
        complete = state.distinct <= DOMAIN_SIZE and len(state.unseen) == state.distinct
        counts = state.unseen if complete else texts
        ordered = sorted(counts, key=lambda text: (-counts[text], text))[:DOMAIN_SIZE]
        domain = tuple(ordered)
        coarse = coarse_of_categories(
            [counts[text] for text in ordered], sum(counts.values()) + _missing(state, complete)
        )
    else:
        kind = ColumnKind.UNKNOWN
    mean = state.mean(0.0)
    return ColumnBinning(
        name,
        kind,
        edges,
        domain,
        coarse,
        centre=mean if mean is not None and np.isfinite(mean) else 0.0,
        minimum=state.minimum if state.finite else np.nan,
        maximum=state.maximum if state.finite else np.nan,
        type_name=state.type_name,
        request_level=request_level,
        is_prediction=is_prediction,
        domain_complete=complete,
        outer=outer,
    )


def numeric_edges(values: Floats, minimum: float, maximum: float) -> Floats:
    """Returns strictly increasing edges: just below the minimum, inner ones, the maximum.

    `values` are a sample without NaN and infinities; all rows lie between `minimum` and `maximum`.
    """
    distinct, counts = np.unique(values, return_counts=True)
    inner = distinct
    if len(distinct) > _INNER_EDGES:
        cumulated = np.cumsum(counts)
        wanted = np.arange(1, _INNER_EDGES + 1) * (cumulated[-1] / (_INNER_EDGES + 1))
        inner = np.unique(distinct[np.searchsorted(cumulated, wanted)])
    inner = inner[(inner >= minimum) & (inner < maximum)]
    with np.errstate(over="ignore"):
        below = np.nextafter(minimum, -np.inf)
    edges = np.concatenate(([below] if np.isfinite(below) else [], inner, [maximum]))
    return np.unique(edges + 0.0)


def with_outer_edges(edges: Floats, coarse: Codes, std_dev: float) -> tuple[Floats, Codes, tuple[int, int]]:
    """Returns the edges with further ones beyond the range on either side, their coarse bins, and how many on each side.

    The bins beyond the range belong to the coarse bin that the values beyond it had before. Edges of a column without a
    negative value stay positive, which `BinTable` is fast with. A column without spread keeps its edges, and so does one so
    large that the further edges are not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = std_dev * _OUTER_STEPS
        low, high = edges[0] - steps[::-1], edges[-1] + steps
    low = low[low > 0] if edges[0] > -_MIN_WIDTH else low
    wider = np.concatenate((low, edges, high))
    if std_dev <= 0 or not np.isfinite(wider).all() or (wider[1:] <= wider[:-1]).any():
        return edges, coarse, (0, 0)
    bins = np.concatenate((np.full(len(low), coarse[0]), coarse[:-1], np.full(len(high), coarse[-2]), coarse[-1:]))
    return wider, bins.astype(np.int64), (len(low), len(high))


def coarse_of_numbers(values: Floats, edges: Floats) -> Codes:
    """Returns the coarse bin of each fine bin, the bin of missing values last.

    With at most COARSE_BINS distinct values each fine bin is a coarse bin. Else a coarse bin ends where its share reaches
    1/COARSE_BINS; a value with a larger share is alone with what little stood before it.
    """
    bins = len(edges) + 1
    if len(edges) - 1 <= COARSE_BINS:
        return np.arange(bins + 1)
    counts = np.bincount(np.searchsorted(edges, values, "left"), minlength=bins)
    before = np.concatenate(([0], np.cumsum(counts)[:-1])) / max(1, counts.sum())
    steps = np.minimum(np.floor(before * COARSE_BINS + 1e-9), COARSE_BINS - 1)
    coarse = np.concatenate(([0], np.cumsum(np.diff(steps) > 0)))
    return np.append(coarse, coarse[-1] + 1).astype(np.int64)


def _missing(state: ColumnState, complete: bool) -> int:
    return state.missing if complete else 0
