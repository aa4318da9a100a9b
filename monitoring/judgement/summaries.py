"""The numbers of one side of a column, from its state."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from monitoring.result import SideSummary
from monitoring.states.binning import ColumnKind
from monitoring.states.column import ValueKind

if TYPE_CHECKING:
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.column import ColumnState

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def summarize(binning: ColumnBinning | None, state: ColumnState) -> SideSummary:
    """Returns the summary of a state. `binning` is None for a column that the baseline does not have."""
    numeric = binning is not None and binning.kind in (ColumnKind.NUMERIC, ColumnKind.LIST) and state.finite > 0
    return SideSummary(
        rows=state.rows,
        missing=state.missing,
        completeness=state.completeness,
        mean=_finite(state.mean(binning.centre)) if numeric and binning is not None else None,
        std_dev=_finite(state.std_dev()) if numeric else None,
        minimum=_finite(state.minimum) if numeric else None,
        maximum=_finite(state.maximum) if numeric else None,
        quantiles=quantiles(binning, state) if numeric and binning is not None else (),
        distinct=state.distinct if len(state.hashes) else None,
        kinds={kind.name.lower(): int(state.kinds[kind]) for kind in ValueKind if state.kinds[kind]},
        infinities=state.infinities,
        nans=state.nans,
        rescued=state.rescued,
        below=state.below,
        above=state.above,
        negatives=state.negatives,
    )


def quantiles(binning: ColumnBinning, state: ColumnState) -> tuple[float, ...]:
    """Returns the quantiles QUANTILES of the values, interpolated within fine bins; right to 1/512 of the rows."""
    counts = state.fine[:-1].astype(np.float64)
    total = counts.sum()
    if not total:
        return ()
    low = np.concatenate(([state.minimum], binning.edges)).clip(state.minimum, state.maximum)
    high = np.concatenate((binning.edges, [state.maximum])).clip(state.minimum, state.maximum)
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
