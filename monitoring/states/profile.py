"""The state of a window: columns, counts by unit, event counts and store health, kept apart by slice.

A *slice* is what must not be mixed blindly: rows of one model version, captured at one sampling percentage. A profile merges
with another by merging slices of the same key. `total` joins slices: rows captured at 10 % stand for ten times as many, so
where percentages differ every count is multiplied by (largest percentage) / (percentage).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np
import numpy.typing as npt

from monitoring.errors import MonitoringError
from monitoring.states.column import ColumnState
from monitoring.states.merging import merge_columns
from monitoring.states.store_health import StoreState, merge_stores
from monitoring.states.units import UnitKind, UnitTable, merge_units, weighted, without_empty

SAMPLE = 256
"""Events kept with the coarse bins of their first rows, to name events for any bin that moved."""


@dataclass(frozen=True, slots=True, order=True)
class SliceKey:
    """The rows of one model version at one sampling percentage. Texts are empty where the data names none."""

    model_name: str = ""
    model_version: str = ""
    sampling_percentage: float = 100.0


@dataclass(slots=True)
class EventSample:
    """The events with the smallest hashes: their ids and the coarse bin of each column in their first row.

    `hashes`: uint64 of shape (n,), ascending, n <= SAMPLE. `bins`: by column uint8 of shape (n,).
    """

    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    ids: tuple[str, ...] = ()
    bins: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)

    def events_in(self, column: str, coarse_bins: set[int], limit: int = 5) -> tuple[str, ...]:
        """Returns up to `limit` event ids whose first row falls into one of the coarse bins of the column."""
        if column not in self.bins:
            return ()
        found = np.flatnonzero(np.isin(self.bins[column], np.array(sorted(coarse_bins), np.uint8)))
        return tuple(self.ids[index] for index in found[:limit])


@dataclass(slots=True)
class SliceState:
    """What is known of one slice's rows.

    `first` and `last` are event times in microseconds since 1970 UTC, None without times. `square_rows` is the sum over
    requests of (rows of the request)**2. `columns` holds every binned column and every other column that some file has;
    `requests`, `hours` and `groups` count the binned columns by unit (`hours` is empty without times, `groups` without
    `--unit COLUMN`). `levels` counts by unit in blocks of 1, 8, 64 … requests, only while a baseline is built.
    """

    rows: int = 0
    events: int = 0
    duplicates: int = 0
    square_rows: int = 0
    first: int | None = None
    last: int | None = None
    columns: dict[str, ColumnState] = field(default_factory=dict)
    requests: UnitTable = field(default_factory=lambda: UnitTable(UnitKind.REQUEST))
    hours: UnitTable = field(default_factory=lambda: UnitTable(UnitKind.HOUR))
    groups: UnitTable = field(default_factory=lambda: UnitTable(UnitKind.COLUMN))
    levels: dict[int, UnitTable] = field(default_factory=dict)
    stores: dict[str, StoreState] = field(default_factory=dict)
    sample: EventSample = field(default_factory=EventSample)


@dataclass(slots=True)
class Profile:
    """The state of some rows, counted in the bins of one baseline.

    `baseline_id` names the binning. `predictions`, `hashed` and `json` are the columns that some file calls so; `renamed`
    gives a feature's own name by column. `unreadable` names the parts that could not be read. `notes` are sentences about what was read: a corrupt object, times without a zone.
    """

    baseline_id: str = ""
    slices: dict[SliceKey, SliceState] = field(default_factory=dict)
    predictions: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    json: frozenset[str] = frozenset()
    renamed: dict[str, str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The rows that were counted, not weighted."""
        return sum(state.rows for state in self.slices.values())

    @property
    def events(self) -> int:
        """The events that were counted, not weighted."""
        return sum(state.events for state in self.slices.values())

    @property
    def duplicates(self) -> int:
        """The rows left out because the same event and item stood there already."""
        return sum(state.duplicates for state in self.slices.values())

    @property
    def versions(self) -> tuple[tuple[str, str], ...]:
        """The (model name, model version) pairs that occur, ascending."""
        return tuple(sorted({(key.model_name, key.model_version) for key in self.slices}))

    def only(self, keep: Callable[[SliceKey], bool]) -> Profile:
        """Returns the profile of the slices that `keep` accepts."""
        return replace(self, slices={key: state for key, state in self.slices.items() if keep(key)})

    def total(self) -> SliceState:
        """Returns all slices as one, weighted by their sampling percentages where these differ, without empty blocks."""
        largest = max((key.sampling_percentage for key in self.slices), default=100.0)
        states = [
            weigh(state, largest / key.sampling_percentage if key.sampling_percentage > 0 else 1.0)
            for key, state in sorted(self.slices.items(), key=lambda entry: entry[0])
        ]
        state = reduce(merge_slices, states) if states else SliceState()
        return replace(state, requests=without_empty(state.requests))


def merge_profiles(first: Profile, second: Profile) -> Profile:
    """Returns the profile of both profiles' rows. Raises MonitoringError where their baselines differ."""
    if first.baseline_id != second.baseline_id:
        raise MonitoringError(
            f"states of baseline {first.baseline_id} and {second.baseline_id} do not merge: "
            "they count in different bins; run the window again"
        )
    slices = dict(first.slices)
    for key, state in second.slices.items():
        slices[key] = merge_slices(slices[key], state) if key in slices else state
    return Profile(
        first.baseline_id,
        slices,
        first.predictions | second.predictions,
        first.hashed | second.hashed,
        first.json | second.json,
        {**first.renamed, **second.renamed},
        tuple(dict.fromkeys((*first.unreadable, *second.unreadable))),
        tuple(dict.fromkeys((*first.notes, *second.notes))),
    )


def merge_slices(first: SliceState, second: SliceState) -> SliceState:
    """Returns the state of both states' rows. A column that one side lacks is absent in all its rows."""
    columns = {}
    for name in dict.fromkeys((*first.columns, *second.columns)):
        columns[name] = merge_columns(_column(first, name, second), _column(second, name, first))
    return SliceState(
        first.rows + second.rows,
        first.events + second.events,
        first.duplicates + second.duplicates,
        first.square_rows + second.square_rows,
        min((time for time in (first.first, second.first) if time is not None), default=None),
        max((time for time in (first.last, second.last) if time is not None), default=None),
        columns,
        merge_units(first.requests, second.requests),
        merge_units(first.hours, second.hours),
        merge_units(first.groups, second.groups),
        {
            size: merge_units(
                first.levels.get(size, UnitTable(UnitKind.BLOCK)), second.levels.get(size, UnitTable(UnitKind.BLOCK))
            )
            for size in sorted({*first.levels, *second.levels})
        },
        {
            name: merge_stores(first.stores.get(name, StoreState()), second.stores.get(name, StoreState()))
            for name in sorted({*first.stores, *second.stores})
        },
        merge_samples(first.sample, second.sample),
    )


def _column(state: SliceState, name: str, other: SliceState) -> ColumnState:
    """Returns the state of a column; of one that no file of this side has, the state of a column without a value."""
    found = state.columns.get(name)
    if found is not None:
        return found
    bins = len(other.columns[name].fine)
    fine = np.zeros(bins, np.int64)
    fine[-1] = state.rows
    return ColumnState(state.rows, state.rows, absent=state.rows, fine=fine, sums=np.zeros(bins - 1))


def merge_samples(first: EventSample, second: EventSample) -> EventSample:
    """Returns the SAMPLE events with the smallest hashes of both samples."""
    if not len(first.hashes) or not len(second.hashes):
        return second if len(second.hashes) else first
    hashes, indices = np.unique(np.concatenate((first.hashes, second.hashes)), return_index=True)
    kept = indices[:SAMPLE]
    ids = (*first.ids, *second.ids)
    bins = {
        name: np.concatenate((array, second.bins[name]))[kept]
        for name, array in first.bins.items()
        if name in second.bins
    }
    return EventSample(hashes[:SAMPLE], tuple(ids[index] for index in kept), bins)


def weigh(state: SliceState, weight: float) -> SliceState:
    """Returns the state with every count multiplied by `weight`. Counts of rows and events are rounded to whole ones."""
    if weight == 1.0:
        return state
    return replace(
        state,
        rows=round(state.rows * weight),
        events=round(state.events * weight),
        square_rows=round(state.square_rows * weight),
        columns={name: _weigh_column(column, weight) for name, column in state.columns.items()},
        requests=weighted(state.requests, weight),
        hours=weighted(state.hours, weight),
        groups=weighted(state.groups, weight),
        levels={size: weighted(table, weight) for size, table in state.levels.items()},
    )


def _weigh_column(column: ColumnState, weight: float) -> ColumnState:
    def times(count: int) -> int:
        return round(count * weight)

    fine = np.rint(column.fine * weight).astype(np.int64)
    rows = int(fine.sum())
    return replace(
        column,
        rows=rows,
        missing=min(rows, times(column.missing)),
        nans=times(column.nans),
        absent=times(column.absent),
        request_rows=times(column.request_rows),
        rescued=times(column.rescued),
        kinds=np.rint(column.kinds * weight).astype(np.int64),
        zero_one=times(column.zero_one),
        negatives=times(column.negatives),
        below=times(column.below),
        above=times(column.above),
        infinities=(times(column.infinities[0]), times(column.infinities[1])),
        finite=times(column.finite),
        sum1=column.sum1 * weight,
        sum2=column.sum2 * weight,
        fine=fine,
        sums=column.sums * weight,
        unseen={name: times(count) for name, count in column.unseen.items()},
        types={name: times(count) for name, count in column.types.items()},
    )
