"""The fine counts of a column's two sides over common edges, the values beyond the baseline's range spread by their sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from monitoring.findings.charts import FineCounts
from monitoring.states.far_values import edges_beyond, spread_out

if TYPE_CHECKING:
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.column import ColumnState

Floats = npt.NDArray[np.float64]
_NO_EDGES: Floats = np.zeros(0)


def over_common_edges(binning: ColumnBinning, *sides: ColumnState) -> tuple[Floats, list[FineCounts]]:
    """Returns the edges and the counts of each side of a numeric column, or of the lengths of a list."""
    edges = binning.edges
    beyond = edges_beyond(edges, tuple(side.far for side in sides)) if len(edges) else (_NO_EDGES, _NO_EDGES)
    if not len(beyond[0]) and not len(beyond[1]):
        return edges, [FineCounts(side.fine.astype(np.float64), side.sums) for side in sides]
    return np.concatenate((beyond[0], edges, beyond[1])), [_spread(edges, beyond, side) for side in sides]


def of_extra_column(state: ColumnState) -> tuple[Floats, FineCounts]:
    """Returns the edges and counts of the numbers of a column that the baseline does not have, by their sample."""
    beyond = edges_beyond(_NO_EDGES, (state.far,))
    rows = (0.0, float(state.finite + sum(state.infinities)))
    _, (counts, sums) = spread_out(_NO_EDGES, beyond, rows, (0, sum(state.infinities)), state.far)
    missing = max(0.0, state.rows - rows[1])
    return beyond[1], FineCounts(np.append(counts, missing), sums)


def _spread(edges: Floats, beyond: tuple[Floats, Floats], side: ColumnState) -> FineCounts:
    fine, sums = side.fine.astype(np.float64), side.sums
    first, last = spread_out(edges, beyond, (fine[0], fine[-2]), side.infinities, side.far)
    counts = np.concatenate((first[0], fine[1:-2], last[0], fine[-1:]))
    return FineCounts(counts, np.concatenate((first[1], sums[1:-1], last[1])))
