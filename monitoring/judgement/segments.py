"""The segment in which a column moved: one value of another column, where that is certain.

Baseline and window each keep 256 random events with the bins of their first rows. A value of a categorical column is the
segment of a moved column where the change lies in its events and not in the others: a difference of differences in the share of
the bins that rose. A segment is named only where this difference is beyond chance over all segments that were looked at, the
change within is large, and the change outside is neither visible nor a quarter of it. Else no segment is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import special

from monitoring.states.binning import ColumnBinning, ColumnKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from monitoring.states.column import ColumnState
    from monitoring.states.profile import EventSample

LEVEL = 0.001
"""The chance of a segment by chance, over all segments of one column."""
MIN_EVENTS = 20
"""Events that a segment and the rest need on each side."""
MIN_CHANGE = 0.2
"""The smallest change within a segment that is named, of the share of the bins that rose."""
OUTSIDE = 0.25
"""The largest change outside, as a part of the change within."""
_VISIBLE = 3.0
"""Standard errors beyond which a change outside is visible."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MovedSegment:
    """Rows with one value of a column."""

    column: str
    value: str

    def __str__(self) -> str:
        return f"{self.column} = {self.value}"


def find_segment(
    moved: ColumnBinning,
    before: ColumnState,
    after: ColumnState,
    binning: Mapping[str, ColumnBinning],
    baseline: EventSample,
    window: EventSample,
) -> MovedSegment | None:
    """Returns the segment in which `moved` changed; None where none is certain.

    `before`, `after`: states of the column, from which the bins that rose are taken; `baseline`, `window`: the sampled events.
    """
    if moved.name not in baseline.bins or moved.name not in window.bins:
        return None
    rose = _rose(moved, before, after)
    in_baseline, in_window = np.isin(baseline.bins[moved.name], rose), np.isin(window.bins[moved.name], rose)
    found, looked_at = [], 0
    for segment, of_baseline, of_window in _segments(binning, moved.name, baseline, window):
        looked_at += 1
        within, error_within = _change(in_baseline[of_baseline], in_window[of_window])
        outside, error_outside = _change(in_baseline[~of_baseline], in_window[~of_window])
        hidden = abs(outside) <= min(OUTSIDE * within, _VISIBLE * error_outside)
        if within >= MIN_CHANGE and hidden:
            found.append(((within - outside) / float(np.hypot(error_within, error_outside)), segment))
    if not found:
        return None
    z, segment = max(found, key=lambda entry: entry[0])
    return segment if 2 * special.ndtr(-z) * looked_at <= LEVEL else None


def _rose(column: ColumnBinning, before: ColumnState, after: ColumnState) -> npt.NDArray[np.int64]:
    """Returns the coarse bins whose share rose."""
    shares = [
        np.bincount(column.coarse_of_fine, weights=state.fine, minlength=column.coarse) / max(1, state.rows)
        for state in (before, after)
    ]
    return np.flatnonzero(shares[1] > shares[0])


def _segments(
    binning: Mapping[str, ColumnBinning], moved: str, baseline: EventSample, window: EventSample
) -> Iterator[tuple[MovedSegment, Flags, Flags]]:
    """Yields each value of the other categorical columns that is large enough, with its events of both sides."""
    for name, column in binning.items():
        if name == moved or column.kind is not ColumnKind.CATEGORICAL:
            continue
        if name not in baseline.bins or name not in window.bins:
            continue
        for place, value in enumerate(column.domain):
            coarse = column.coarse_of_fine[place]
            if np.count_nonzero(column.coarse_of_fine == coarse) > 1:
                continue
            sides = [sample.bins[name] == coarse for sample in (baseline, window)]
            if all(MIN_EVENTS <= np.count_nonzero(side) <= len(side) - MIN_EVENTS for side in sides):
                yield MovedSegment(name, value), sides[0], sides[1]


def _change(before: Flags, after: Flags) -> tuple[float, float]:
    """Returns the change of a share and its standard error, each share with one success and one failure added (Agresti & Caffo
    2000)."""
    shares = [(int(flags.sum()) + 1) / (len(flags) + 2) for flags in (before, after)]
    variance = sum(p * (1 - p) / (len(flags) + 2) for p, flags in zip(shares, (before, after), strict=True))
    return shares[1] - shares[0], float(np.sqrt(variance))
