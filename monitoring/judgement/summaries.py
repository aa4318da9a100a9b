"""The numbers of one side of a column, from its state."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from monitoring.baseline.choose_bins import choose_kind
from monitoring.judgement.fine_counts import of_extra_column, over_common_edges
from monitoring.result import SideSummary
from monitoring.states.binning import ColumnKind
from monitoring.states.column import ValueKind

if TYPE_CHECKING:
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.column import ColumnState

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def summarize(binning: ColumnBinning | None, state: ColumnState) -> SideSummary:
    """Returns the summary of a state. `binning` is None for a column that the baseline does not have."""
    kind = choose_kind(state) if binning is None else binning.kind
    numeric = kind in (ColumnKind.NUMERIC, ColumnKind.LIST) and state.finite > 0
    centre = 0.0 if binning is None else binning.centre
    return SideSummary(
        rows=state.rows,
        missing=state.missing,
        completeness=state.completeness,
        mean=_finite(state.mean(centre)) if numeric else None,
        std_dev=_finite(state.std_dev()) if numeric else None,
        minimum=_finite(state.minimum) if numeric else None,
        maximum=_finite(state.maximum) if numeric else None,
        quantiles=quantiles(binning, state) if numeric else (),
        distinct=state.distinct if len(state.hashes) else None,
        kinds={kind.name.lower(): int(state.kinds[kind]) for kind in ValueKind if state.kinds[kind]},
        infinities=state.infinities,
        nans=state.nans,
        rescued=state.rescued,
        below=state.below,
        above=state.above,
        negatives=state.negatives,
    )


def quantiles(binning: ColumnBinning | None, state: ColumnState) -> tuple[float, ...]:
    """Returns the quantiles QUANTILES of the values, interpolated within fine bins; right to 1/512 of the rows.

    Quantiles beyond the range of the baseline come from a sample of the values there, and so do all of an extra column.
    """
    if binning is None:
        edges, held = of_extra_column(state)
    else:
        edges, (held,) = over_common_edges(binning, state)
    counts = held.counts[:-1]
    total = counts.sum()
    if not total:
        return ()
    low = np.concatenate(([state.minimum], edges)).clip(state.minimum, state.maximum)
    high = np.concatenate((edges, [state.maximum])).clip(state.minimum, state.maximum)
    cumulated = np.cumsum(counts)
    found = []
    for share in QUANTILES:
        at = min(int(np.searchsorted(cumulated, share * total)), len(counts) - 1)
        before = cumulated[at - 1] if at else 0.0
        inside = (share * total - before) / counts[at] if counts[at] else 0.0
        found.append(float(low[at] + (high[at] - low[at]) * min(1.0, max(0.0, inside))))
    return tuple(found)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
