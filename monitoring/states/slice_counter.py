"""Counts the rows of one slice of a file: its columns, each by unit, its events and its store health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.states.binning import ColumnKind
from monitoring.states.cells import cells_of
from monitoring.states.column import ColumnState, ValueKind
from monitoring.states.column_counter import ColumnCounter, unbinned
from monitoring.states.events import NO_TIME, Events, column_of
from monitoring.states.groupings import ColumnGrouper, Grouper, Grouping, HourGrouper, RequestGrouper
from monitoring.states.layout import FileFacts
from monitoring.states.plan import CountingPlan
from monitoring.states.profile import EventSample, SliceState, merge_samples
from monitoring.states.rescued import rescued_cells
from monitoring.states.row_set import RowSet
from monitoring.states.store_health import StoreState, count_ages, merge_stores
from monitoring.states.units import UnitKind, UnitTable, merge_units

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]


@dataclass
class SliceCounter:
    """Counts the rows of one slice of a file."""

    plan: CountingPlan
    facts: FileFacts
    state: SliceState = field(default_factory=SliceState)
    columns: dict[str, ColumnCounter] = field(default_factory=dict)
    counted: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    runs: list[tuple[Hashes, Indices]] = field(default_factory=list)

    def add(self, batch: pa.RecordBatch, events: Events) -> None:
        """Counts rows, and each column by unit."""
        layout = self.plan.layout
        if events.ids is not None and events.keys is None:
            self._find_firsts(events)
        groupings = self._groupings(events, column_of(batch, layout.unit))
        every, firsts = RowSet(events, None, groupings), RowSet(events, events.firsts, groupings)
        self._count_rows(batch, events)
        self._count_stores(batch, events.firsts)
        counts: dict[str, dict[str, npt.NDArray[np.float64]]] = {name: {} for name in groupings}
        chosen, sample = firsts.sampled()
        chosen_rows = events.firsts.take(chosen)
        rescued = rescued_cells(column_of(batch, layout.rescued))
        for index, name in enumerate(batch.schema.names):
            if not layout.is_feature(name):
                continue
            counter = self._counter(name)
            rows = firsts if counter.binning.request_level else every
            column = batch.column(index)
            cells = cells_of(column if rows is every else column.take(pa.array(events.firsts)))
            coded = counter.add(cells, rows, _type_name(column.type))
            if name in self.facts.request:
                counter.state.request_rows += len(rows)
            self._add_rescued(counter, rescued.pop(name, []), rows)
            binning = counter.binning
            if binning.kind is ColumnKind.UNKNOWN:
                continue
            totals = np.bincount(binning.coarse_of_fine, coded.fine_counts, binning.coarse)
            for table, groups in rows.groups.items():
                counts[table][name] = groups.counts(coded.coarse, binning.coarse, totals)
            positions = chosen if rows is firsts else chosen_rows
            sample.bins[name] = coded.coarse.take(positions).astype(np.uint8)
        self._add_absent(batch, every, firsts, counts, sample, rescued)
        self._add_tables(groupings, every, firsts, counts)
        self.state.sample = merge_samples(self.state.sample, sample)

    def finished(self) -> SliceState:
        """Returns the state."""
        state = self.state
        if self.runs:
            hashes = np.concatenate([hashes for hashes, _ in self.runs])
            _, index = np.unique(hashes, return_inverse=True)
            rows = np.bincount(index, np.concatenate([counts for _, counts in self.runs]))
            state.square_rows = int(np.square(rows).sum())
            self.runs = []
        state.columns = {name: counter.state for name, counter in self.columns.items()}
        return state

    def _counter(self, name: str) -> ColumnCounter:
        counter = self.columns.get(name)
        if counter is None:
            known = self.plan.binning.get(name)
            # A survey for a baseline has no bins at all, and a sampler of its own.
            sampled = known is None and self.plan.sampler is None
            counter = self.columns[name] = ColumnCounter(known or unbinned(name), sampled=sampled)
            before = self.state.rows - self._batch_rows
            if before:
                _make_absent(counter.state, before)
        return counter

    def _find_firsts(self, events: Events) -> None:
        """Without an item index, an event counts at its first row in this file, wherever its other rows stand."""
        distinct, index = np.unique(events.hashes, return_index=True)
        starts = np.searchsorted(events.group, index)
        place = np.searchsorted(self.counted, distinct)
        known = np.zeros(len(distinct), np.bool_)
        inside = place < len(self.counted)
        known[inside] = self.counted[place[inside]] == distinct[inside]
        events.firsts = np.sort(starts[~known])
        self.counted = np.union1d(self.counted, distinct[~known])

    def _groupings(self, events: Events, unit_column: pa.Array | None) -> dict[str, Grouping]:
        groupers: dict[str, Grouper] = {"requests": RequestGrouper(), "hours": HourGrouper()}
        if self.plan.layout.unit:
            groupers["groups"] = ColumnGrouper()
        for level in self.plan.levels:
            groupers[f"level {level.size}"] = level
        found = {name: grouper.group(events, unit_column) for name, grouper in groupers.items()}
        return {name: grouping for name, grouping in found.items() if grouping is not None}

    def _count_rows(self, batch: pa.RecordBatch, events: Events) -> None:
        state = self.state
        self._batch_rows = batch.num_rows
        state.rows += batch.num_rows
        state.events += len(events.firsts)
        counts = column_of(batch, self.plan.layout.item_count)
        if counts is not None:
            items = np.asarray(counts.cast(pa.int64()).fill_null(1)).take(events.firsts)
            state.square_rows += int(np.square(items).sum())
        elif events.ids is None:
            state.square_rows += batch.num_rows
        else:
            self.runs.append((events.hashes, np.bincount(events.group)))
        if events.times is not None:
            times = events.times[events.times != NO_TIME]
            if len(times):
                low, high = int(times.min()), int(times.max())
                state.first = low if state.first is None else min(state.first, low)
                state.last = high if state.last is None else max(state.last, high)

    def _count_stores(self, batch: pa.RecordBatch, firsts: Indices) -> None:
        age, missing = self.plan.layout.age_prefix, self.plan.layout.missing_prefix
        if not age:
            return
        groups = {
            name.removeprefix(prefix)
            for name in batch.schema.names
            for prefix in (age, missing)
            if name.startswith(prefix)
        }
        for group in sorted(groups):
            found = StoreState()
            rows = pa.array(firsts)
            counts, ages = column_of(batch, missing + group), column_of(batch, age + group)
            if counts is not None:
                ids = np.asarray(counts.take(rows).cast(pa.int64()).drop_null())
                found.events = len(ids)
                found.missing_ids, found.events_with_missing = int(ids.sum()), int(np.count_nonzero(ids))
            if ages is not None:
                seconds = np.asarray(ages.take(rows).cast(pa.float64()).drop_null())
                seconds = seconds[np.isfinite(seconds)]
                found.events = max(found.events, len(seconds))
                if len(seconds):
                    found.ages = count_ages(seconds)
                    found.oldest, found.newest = float(seconds.max()), float(seconds.min())
            self.state.stores[group] = merge_stores(self.state.stores.get(group, StoreState()), found)

    def _add_rescued(self, counter: ColumnCounter, found: Sequence[tuple[ValueKind, Indices]], rows: RowSet) -> None:
        for kind, indices in found:
            if rows.rows is not None:
                indices = np.flatnonzero(np.isin(rows.rows, indices))
            if len(indices):
                counter.add_rescued(kind, indices, rows)

    def _add_absent(
        self,
        batch: pa.RecordBatch,
        every: RowSet,
        firsts: RowSet,
        counts: dict[str, dict[str, npt.NDArray[np.float64]]],
        sample: EventSample,
        rescued: dict[str, list[tuple[ValueKind, Indices]]],
    ) -> None:
        """Counts the columns of the baseline that the file lacks, and those that only an earlier batch had."""
        here = set(batch.schema.names)
        names = (*self.plan.binning, *(name for name in self.columns if name not in self.plan.binning))
        for name in names:
            if name in here or not self.plan.layout.is_feature(name):
                continue
            counter = self._counter(name)
            binning = counter.binning
            rows = firsts if binning.request_level else every
            _make_absent(counter.state, len(rows))
            self._add_rescued(counter, rescued.pop(name, []), rows)
            if binning.kind is ColumnKind.UNKNOWN:
                continue
            for table, groups in rows.groups.items():
                lacking = np.zeros((groups.units, binning.coarse))
                lacking[:, -1] = groups.sizes()
                counts[table][name] = lacking
            sample.bins[name] = np.full(len(sample.hashes), binning.coarse_of_fine[-1], np.uint8)

    def _add_tables(
        self,
        groupings: Mapping[str, Grouping],
        every: RowSet,
        firsts: RowSet,
        counts: Mapping[str, dict[str, npt.NDArray[np.float64]]],
    ) -> None:
        for name, grouping in groupings.items():
            requests, rows = firsts.groups[name].sizes(), every.groups[name].sizes()
            table = UnitTable(
                grouping.kind, grouping.ids, requests, rows, dict(counts[name]), grouping.bits, grouping.labels
            )
            state = self.state
            if name == "requests":
                state.requests = merge_units(state.requests, table)
            elif name == "hours":
                state.hours = merge_units(state.hours, table)
            elif name == "groups":
                state.groups = merge_units(state.groups, table)
            else:
                size = int(name.removeprefix("level "))
                state.levels[size] = merge_units(state.levels.get(size, UnitTable(UnitKind.BLOCK)), table)

    _batch_rows: int = 0


def _make_absent(state: ColumnState, rows: int) -> None:
    """Counts rows of a file without the column."""
    state.rows += rows
    state.missing += rows
    state.absent += rows
    state.fine[-1] += rows


def _type_name(kind: pa.DataType) -> str:
    """Returns the name of the values' type. A dictionary, a large string and a view are ways to store the same values."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return "string" if is_text else str(kind)
