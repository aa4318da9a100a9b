"""Counts one column over the batches of a file.

`ColumnCounter.add` counts one batch into the column's state and returns the coarse bin of each row, by which the caller counts
units. What does not fit the column's bins (texts in a numeric column, rescued cells) stands in the bin of missing values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.states.bin_table import BinTable
from monitoring.states.binning import ColumnBinning, ColumnKind
from monitoring.states.cells import Cells, Numbers, Opaque, Texts
from monitoring.states.column import HASHES, UNSEEN_VALUES, ColumnState, ExampleReason, Examples, ValueKind
from monitoring.states.far_values import sample_far
from monitoring.states.merging import added, merge_examples, smallest_hashes, smallest_names
from monitoring.states.text_dictionary import TextDictionary, as_texts, kinds_of_numbers

if TYPE_CHECKING:
    from monitoring.states.row_set import RowSet

Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_NO_EDGES: npt.NDArray[np.float64] = np.zeros(0)


def unbinned(name: str) -> ColumnBinning:
    """Returns the binning of a column that the baseline does not know."""
    return ColumnBinning(name, ColumnKind.UNKNOWN, _NO_EDGES, (), np.zeros(1, np.int64), 0.0, np.nan, np.nan)


_PREPARED: WeakKeyDictionary[ColumnBinning, tuple[BinTable, pa.Array]] = WeakKeyDictionary()


def _prepared(binning: ColumnBinning) -> tuple[BinTable, pa.Array]:
    """Returns the table of a column's edges and its domain, made once for each binning object."""
    found = _PREPARED.get(binning)
    if found is None:
        found = _PREPARED[binning] = (BinTable(binning.edges), pa.array(binning.domain, pa.string()))
    return found


@dataclass(slots=True)
class Coded:
    """The bins of the rows of one batch: the fine counts, and the coarse bin of each row."""

    coarse: Codes
    fine_counts: Codes


class ColumnCounter:
    """The state of one column, growing batch by batch.

    `sampled` says whether the numbers of a column without bins are sampled: those that a baseline does not have.
    """

    def __init__(self, binning: ColumnBinning, *, sampled: bool = False) -> None:
        self.binning = binning
        self._sampled = sampled
        bins = binning.fine
        self.state = ColumnState(fine=np.zeros(bins + 1, np.int64), sums=np.zeros(bins))
        self.known = False
        self._table, self._domain = _prepared(binning)
        self._coarse_of_fine = binning.coarse_of_fine
        self._dictionary: TextDictionary | None = None

    def add(self, cells: Cells, rows: RowSet, type_name: str) -> Coded:
        """Counts the cells of the rows. Returns their bins."""
        state, kind = self.state, self.binning.kind
        self.known = True
        state.rows += len(rows)
        state.types[type_name] = state.types.get(type_name, 0) + len(rows)
        if isinstance(cells, Numbers):
            lists = cells.kind is ValueKind.LIST
            if kind is ColumnKind.CATEGORICAL and not lists:
                return self._add_texts(as_texts(cells), rows, cells.kind, kinds_of_numbers(cells))
            binned = kind is (ColumnKind.LIST if lists else ColumnKind.NUMERIC)
            return self._add_numbers(cells, rows, binned)
        if isinstance(cells, Texts):
            return self._add_texts(cells, rows, ValueKind.STRING, None)
        return self._add_opaque(cells, rows)

    def add_rescued(self, kind: ValueKind, rows: Codes, row_set: RowSet) -> None:
        """Counts rescued cells: the rows of the set whose null cell has a value of this kind elsewhere."""
        count = min(len(rows), self.state.missing)
        self.state.missing -= count
        self.state.rescued += count
        self.state.kinds[kind] += count
        self._keep(ExampleReason.TYPE, row_set.examples(rows))

    def _add_numbers(self, cells: Numbers, rows: RowSet, binned: bool) -> Coded:
        state, centre = self.state, self.binning.centre
        values, missing, absent = cells.values, cells.nulls, 0
        if cells.kind is None and not np.isfinite(_sum(values)):
            nans = np.isnan(values)
            if missing is not None:
                nans &= ~missing
            count = int(np.count_nonzero(nans))
            if count:
                state.nans += count
                missing = nans if missing is None else missing | nans
        if missing is not None:
            absent = int(np.count_nonzero(missing))
            values = np.where(missing, centre, values)
            state.missing += absent
            self._examples_where(ExampleReason.MISSING, rows, missing)
        present = len(values) - absent
        self._count_values(values, missing, present, cells.kind)
        if not binned:
            if self._sampled and present:
                self._sample_far(values, rows, None if missing is None else ~missing)
            if self.binning.kind is not ColumnKind.UNKNOWN and present:
                self._examples_where(ExampleReason.TYPE, rows, None if missing is None else ~missing)
            return self._unfit(len(rows))
        codes = self._table.codes(values)
        bins = self.binning.fine
        if missing is not None:
            codes[missing] = bins
        fine = np.bincount(codes, minlength=bins + 1)
        state.fine += fine
        if len(self.binning.edges):
            low, high = self.binning.edges[0], self.binning.edges[-1]
            state.sums += np.bincount(codes, np.clip(values, low, high), bins + 1)[:bins]
            first, last = self.binning.outer[0], bins - 1 - self.binning.outer[1]
            below, above = int(fine[: first + 1].sum()), int(fine[last:bins].sum())
            if below:
                self._examples_where(ExampleReason.BELOW, rows, codes <= first)
            if above:
                self._examples_where(ExampleReason.ABOVE, rows, (codes >= last) & (codes < bins))
            state.below += below
            state.above += above
            if fine[0] or fine[bins - 1]:
                self._sample_far(values, rows, (codes == 0) | (codes == bins - 1))
        return Coded(self._coarse_of_fine.take(codes), fine)

    def _sample_far(self, values: npt.NDArray[np.float64], rows: RowSet, mask: Mask | None) -> None:
        chosen = values if mask is None else values[mask]
        self.state.far = sample_far(self.state.far, chosen.astype(np.float64), rows.hashes_where(mask))

    def _count_values(
        self, values: npt.NDArray[np.float64], missing: Mask | None, present: int, kind: ValueKind | None
    ) -> None:
        """Counts kinds and moments. The slots of missing values hold the centre, which adds nothing to the moments."""
        state, centre = self.state, self.binning.centre
        filled = len(values) - present
        if not present:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            moved = values - centre
            first, second = float(np.add.reduce(moved)), float(np.einsum("i,i->", moved, moved))
        if not np.isfinite(second):
            infinite = np.isinf(values)
            below = int(np.count_nonzero(values == -np.inf))
            above = int(np.count_nonzero(infinite)) - below
            if below or above:
                state.infinities = (state.infinities[0] + below, state.infinities[1] + above)
                keep = ~infinite if missing is None else ~(infinite | missing)
                if kind is None:
                    state.kinds[ValueKind.FRACTIONAL] += below + above
                else:
                    state.kinds[kind] += below + above
                state.negatives += below
                kept = values[keep]
                self._count_values(kept, None, len(kept), kind)
                return
        state.finite += present
        state.sum1 += first
        state.sum2 += second
        if filled and missing is not None:
            there = ~missing
            low = float(values.min(where=there, initial=np.inf))
            high = float(values.max(where=there, initial=-np.inf))
        else:
            low, high = float(values.min()), float(values.max())
        state.minimum, state.maximum = min(state.minimum, low), max(state.maximum, high)
        if low < 0:
            state.negatives += int(np.count_nonzero(values < 0)) - (filled if centre < 0 else 0)
        if low <= 1 and high >= 0 and kind in (None, ValueKind.INTEGRAL):
            zero_one = np.count_nonzero(values == 0) + np.count_nonzero(values == 1)
            state.zero_one += int(zero_one) - (filled if centre in (0.0, 1.0) else 0)
        if kind is not None:
            state.kinds[kind] += present
            return
        whole = int(np.count_nonzero(np.floor(values) == values)) - (filled if centre == np.floor(centre) else 0)
        state.kinds[ValueKind.INTEGRAL] += whole
        state.kinds[ValueKind.FRACTIONAL] += present - whole

    def _add_texts(self, cells: Texts, rows: RowSet, kind: ValueKind | None, kinds: Codes | None) -> Coded:
        state = self.state
        if self._dictionary is None or not self._dictionary.same(cells.dictionary):
            self._dictionary = TextDictionary(cells.dictionary, self._domain)
        known = self._dictionary
        size = len(known.codes) - 1
        by_value = np.bincount(cells.indices + 1, minlength=size + 1)
        absent, by_value = int(by_value[0]), by_value[1:]
        if absent:
            state.missing += absent
            self._examples_where(ExampleReason.MISSING, rows, cells.indices < 0)
        if kinds is not None:
            state.kinds += kinds
        elif kind is not None:
            state.kinds[kind] += len(rows) - absent
        present = np.flatnonzero(by_value)
        if kind is ValueKind.STRING:
            self._count_distinct(known, present)
        if self.binning.kind is ColumnKind.UNKNOWN:
            self._count_unseen(known, present, by_value)
            return self._unfit(len(rows))
        if self.binning.kind is not ColumnKind.CATEGORICAL:
            if len(present):
                self._examples_where(ExampleReason.TYPE, rows, cells.indices >= 0)
            return self._unfit(len(rows))
        bins = self.binning.fine
        other = len(self.binning.domain)
        fine = np.bincount(known.codes[:-1], by_value, bins + 1).astype(np.int64)
        fine[bins] += absent
        state.fine += fine
        if self.binning.domain_complete and fine[other]:
            outside = present[known.codes[present] == other]
            self._count_unseen(known, outside, by_value)
            self._examples_where(ExampleReason.UNSEEN, rows, known.codes.take(cells.indices) == other)
        coarse = self._coarse_of_fine.take(np.append(known.codes[:-1], bins))
        return Coded(coarse.take(cells.indices), fine)

    def _count_distinct(self, known: TextDictionary, present: Codes) -> None:
        hashes = known.hashes if len(present) == len(known.hashes) else known.hashes[present]
        kept = self.state.hashes
        if len(kept) == HASHES:
            hashes = hashes[hashes < kept[-1]]
        elif len(hashes) > 4 * HASHES:
            hashes = np.partition(hashes, 2 * HASHES)[: 2 * HASHES]
        if len(hashes):
            self.state.hashes = smallest_hashes(kept, np.unique(hashes)[:HASHES])

    def _count_unseen(self, known: TextDictionary, present: Codes, by_value: Codes) -> None:
        if len(present) > UNSEEN_VALUES:
            order = np.argpartition(known.hashes[present], UNSEEN_VALUES)
            present = present[order[:UNSEEN_VALUES]]
        names = known.texts.take(pa.array(present)).to_pylist()
        counts = {name: int(by_value[index]) for name, index in zip(names, present, strict=True)}
        self.state.unseen = smallest_names(added(self.state.unseen, counts))

    def _add_opaque(self, cells: Opaque, rows: RowSet) -> Coded:
        state = self.state
        absent = 0 if cells.nulls is None else int(np.count_nonzero(cells.nulls))
        state.missing += absent
        state.kinds[ValueKind.OTHER] += cells.rows - absent
        if absent and cells.nulls is not None:
            self._examples_where(ExampleReason.MISSING, rows, cells.nulls)
        return self._unfit(cells.rows)

    def _unfit(self, rows: int) -> Coded:
        bins = self.binning.fine
        fine = np.zeros(bins + 1, np.int64)
        fine[bins] = rows
        self.state.fine += fine
        return Coded(np.full(rows, self._coarse_of_fine[-1]), fine)

    def _examples_where(self, reason: ExampleReason, rows: RowSet, mask: Mask | None) -> None:
        self._keep(reason, rows.examples_where(mask))

    def _keep(self, reason: ExampleReason, entries: Examples) -> None:
        if entries:
            self.state.examples = merge_examples(self.state.examples, {reason: entries})


def _sum(values: npt.NDArray[np.float64]) -> float:
    """Returns the sum: it is finite only where no value is NaN or infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.add.reduce(values))
