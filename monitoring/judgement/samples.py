"""The counts of baseline and window as the drift decision wants them: one sample a column, units that match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitoring.drift.decision import MIN_UNITS
from monitoring.drift.sample import ColumnSample, Units
from monitoring.drift.units import is_small, match, put_together
from monitoring.states.binning import ColumnKind
from monitoring.states.units import UnitTable

if TYPE_CHECKING:
    from collections.abc import Collection

    from monitoring.baseline.baseline import Baseline
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.profile import Profile, SliceState


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a window in the order of the baseline's columns, and the units that they are made of."""

    columns: tuple[ColumnSample, ...]
    units: Units


def make_samples(baseline: Baseline, profile: Profile, leave_out: Collection[str] = ()) -> Samples:
    """Returns the samples of every column that both sides have binned, but those in `leave_out`.

    Units are requests, or blocks of as many requests on both sides. A baseline without units gives samples without
    `baseline_units`.
    """
    trained, window = baseline.profile.total(), profile.total()
    names = [
        name
        for name, binning in baseline.binning.items()
        if name not in leave_out
        and binning.kind is not ColumnKind.UNKNOWN
        and name in window.columns
        and name in trained.columns
        and name in window.requests.counts
        and window.columns[name].absent < window.columns[name].rows
    ]
    ours, theirs, units = _units(baseline, profile, window)
    columns = tuple(_sample(baseline.binning[name], trained, window, ours, theirs) for name in names)
    return Samples(columns, units)


@dataclass(frozen=True, eq=False)
class _UnitBlocks:
    """A table of units, of which `factor` that follow each other are put together."""

    table: UnitTable
    factor: int


def _units(baseline: Baseline, profile: Profile, window: SliceState) -> tuple[_UnitBlocks, _UnitBlocks | None, Units]:
    table, levels = window.requests, baseline.units.levels
    rows = window.square_rows / window.rows if window.rows else 1.0
    if not len(table) or (baseline.units.rows_are_units and window.rows > window.events):
        levels = ()  # Rows of one request resemble each other, so single rows are no match for requests.
    share = weight_share(profile)
    sizes = [(len(level.table), level.table.size) for level in levels]
    found = match(len(table), table.size, sizes)
    if is_small(found, sizes, MIN_UNITS):
        return _large_window(baseline, profile, table, rows)
    if found is None:
        size = table.size or 1.0
        return (
            _UnitBlocks(table, 1),
            None,
            Units(window_requests=profile.events, window_size=size, rows=rows, weight_share=share),
        )
    units = Units(
        window_requests=profile.events,
        baseline_size=found.baseline_size,
        window_size=found.window_size,
        rows=rows,
        weight_share=share,
    )
    return _UnitBlocks(table, found.window_factor), _UnitBlocks(levels[found.level].table, found.baseline_factor), units


def _large_window(
    baseline: Baseline, profile: Profile, table: UnitTable, rows: float
) -> tuple[_UnitBlocks, _UnitBlocks | None, Units]:
    """Returns the units of a window that holds many times the baseline's requests: all that the baseline has, as a sample."""
    trained = baseline.profile.total()
    largest = max(baseline.units.levels, key=lambda level: (len(level.table) >= MIN_UNITS, level.table.requests.sum()))
    units = Units(
        window_requests=profile.events,
        baseline_size=largest.table.size,
        window_size=table.size,
        rows=rows,
        weight_share=weight_share(profile),
        baseline_is_sample=True,
        baseline_rows=trained.square_rows / trained.rows if trained.rows else 1.0,
    )
    return _UnitBlocks(table, 1), _UnitBlocks(largest.table, 1), units


def weight_share(profile: Profile) -> float:
    """Returns (sum w)² / (n · sum w²) over the requests' sampling weights w; 1 where all are equal (Kish 1965)."""
    events = np.array([state.events for state in profile.slices.values()], np.float64)
    percentages = np.array([key.sampling_percentage for key in profile.slices], np.float64)
    weights = 1.0 / np.where(percentages > 0, percentages, 100.0)
    if not events.sum():
        return 1.0
    return float((events * weights).sum() ** 2 / (events.sum() * (events * weights**2).sum()))


def _sample(
    binning: ColumnBinning, trained: SliceState, window: SliceState, ours: _UnitBlocks, theirs: _UnitBlocks | None
) -> ColumnSample:
    name = binning.name
    before, after = trained.columns[name], window.columns[name]
    categorical = binning.kind is ColumnKind.CATEGORICAL
    return ColumnSample(
        name=name,
        categorical=categorical,
        request_level=binning.request_level or after.request_rows >= after.rows > 0,
        baseline_fine=before.fine.astype(np.float64),
        window_fine=after.fine.astype(np.float64),
        coarse_of_fine=binning.coarse_of_fine,
        window_units=put_together(ours.table.counts[name], ours.factor),
        baseline_units=None if theirs is None else put_together(theirs.table.counts[name], theirs.factor),
        edges=binning.edges,
        baseline_sums=np.zeros(0) if categorical else before.sums,
        window_sums=np.zeros(0) if categorical else after.sums,
        baseline_std=before.std_dev(),
        labels=binning.domain,
    )
