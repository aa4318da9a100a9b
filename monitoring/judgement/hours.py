"""How far each hour or day is from the baseline's average, column by column, and how far ordinary ones are.

Distances are taken in the coarse bins, because the baseline keeps its hours in these: L-infinity of CDFs (numbers) or of shares
(categories), missing values included. Hours of a window and ordinary hours are measured the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from monitoring.drift.units import put_together
from monitoring.states.binning import ColumnKind
from monitoring.states.units import days_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.baseline.baseline import Baseline
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.column import ColumnState
    from monitoring.states.profile import Profile

Floats = npt.NDArray[np.float64]
MIN_ORDINARY = 24
"""Ordinary units that are needed before a window can be called unusual."""
ALIKE = 0.5
"""Ordinary units with fewer than this share of a window's requests scatter more than the window, and serve no comparison."""
MIN_ROWS = 10
"""Rows below which the distance of a window says nothing."""


def linf_of_units(counts: Floats, average: Floats, *, categorical: bool) -> Floats:
    """Returns the distance of each unit from the average, shape (U,); NaN for a unit with fewer than MIN_ROWS rows.

    `counts`: shape (U, K), missing values last; `average`: shape (K,), counts of the baseline.
    """
    rows = counts.sum(axis=1)
    shares = counts / np.maximum(rows, 1.0)[:, None] - average / max(float(average.sum()), 1.0)
    missing = np.abs(shares[:, -1])
    present = shares[:, :-1] if categorical else np.cumsum(shares[:, :-1], axis=1)
    largest = np.abs(present).max(axis=1, initial=0.0)
    found: Floats = np.where(rows < MIN_ROWS, np.nan, np.maximum(missing, largest))
    return found


def columns_compared(baseline: Baseline) -> list[ColumnBinning]:
    """Returns the columns that have bins."""
    return [column for column in baseline.binning.values() if column.kind is not ColumnKind.UNKNOWN and column.fine]


def distances(profiles: Sequence[Profile], baseline: Baseline) -> Floats:
    """Returns the distance of each profile and compared column, shape (profiles, columns); NaN where it has no rows."""
    trained = baseline.profile.total()
    columns = columns_compared(baseline)
    found = np.full((len(profiles), len(columns)), np.nan)
    for number, profile in enumerate(profiles):
        window = profile.total()
        for place, column in enumerate(columns):
            state = window.columns.get(column.name)
            if state is not None and state.rows and state.absent < state.rows:
                average = _coarse(column, trained.columns[column.name])
                categorical = column.kind is ColumnKind.CATEGORICAL
                counts = _coarse(column, state)[None, :]
                found[number, place] = linf_of_units(counts, average, categorical=categorical)[0]
    return found


def ordinary(baseline: Baseline, unit: str, requests: float) -> tuple[Floats, str]:
    """Returns the distances of ordinary units, shape (units, columns), and a note on what they are.

    `unit` is "hour" or "day". They are the baseline's own hours or days where it has at least MIN_ORDINARY of them; else
    blocks of its requests, as large as the window's units (`requests` each), which do not know the time of day. Without
    units the array has no rows. A column is NaN where no ordinary unit has enough rows.
    """
    columns = columns_compared(baseline)
    hours = baseline.units.hours if unit == "hour" else days_of(baseline.units.hours)
    if len(hours) >= MIN_ORDINARY and float(np.median(hours.requests)) >= ALIKE * requests:
        table, factor = hours, 1
        note = f"{len(hours):,} {unit}s of the baseline are the ordinary ones"
    else:
        levels = baseline.units.levels
        if not levels or baseline.units.rows_are_units or requests <= 0:
            return np.zeros((0, len(columns))), "the baseline has no units, so no window can be called unusual"
        level = max(
            (entry for entry in levels if entry.table.size <= requests), key=lambda e: e.table.size, default=levels[0]
        )
        table, factor = level.table, max(1, round(requests / level.table.size))
        note = "the ordinary ones are random requests of the baseline, which do not know the time of day"
    trained = baseline.profile.total()
    found = [
        linf_of_units(
            put_together(table.counts[column.name], factor),
            _coarse(column, trained.columns[column.name]),
            categorical=column.kind is ColumnKind.CATEGORICAL,
        )
        for column in columns
    ]
    stacked = np.stack(found, axis=1) if found else np.zeros((0, 0))
    return (stacked, note) if len(stacked) >= MIN_ORDINARY else (np.zeros((0, len(columns))), note)


def _coarse(column: ColumnBinning, state: ColumnState) -> Floats:
    return np.bincount(column.coarse_of_fine, weights=state.fine, minlength=column.coarse).astype(np.float64)
