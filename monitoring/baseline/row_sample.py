"""A sample of whole events of the training rows, for what all rows cannot give in one pass: quantiles and frequent texts.

The sample holds the rows of the events with the smallest hashes, so it is the same in any order of files. While it has more
than SAMPLE_ROWS rows, half of its events are dropped.
"""

from __future__ import annotations

from collections import Counter
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.states.cells import Numbers, Texts, cells_of
from monitoring.states.text import short

SAMPLE_ROWS = 262_144
MIN_PAIRS = 30
"""Pairs of rows of one event that must agree before a column counts as request-level."""

Hashes = npt.NDArray[np.uint64]


class RowSample:
    """Rows of sampled events, batch by batch in their own types. Threads may add batches at once."""

    def __init__(self, rows: int = SAMPLE_ROWS) -> None:
        self._rows = rows
        self._limit = np.uint64(2**64 - 1)
        self._chunks: list[tuple[pa.RecordBatch, Hashes]] = []
        self._lock = Lock()

    def add(self, batch: pa.RecordBatch, hashes: Hashes) -> None:
        """Adds the sampled rows of a batch; `hashes` has the hash of each row's event."""
        chunk = _below(batch, hashes, self._limit)
        with self._lock:
            if len(chunk[1]):
                self._chunks.append(chunk)
            while sum(len(hashes) for _, hashes in self._chunks) > self._rows:
                self._limit >>= np.uint64(1)
                kept = (_below(batch, hashes, self._limit) for batch, hashes in self._chunks)
                self._chunks = [chunk for chunk in kept if len(chunk[1])]

    def numbers(self, name: str, lists: bool = False) -> npt.NDArray[np.float64]:
        """Returns the finite numbers of a column, or the lengths of its lists."""
        found = [np.zeros(0)]
        for cells in self._cells(name):
            if isinstance(cells, Numbers) and (cells.kind is not None and cells.kind.name == "LIST") == lists:
                values = cells.values if cells.nulls is None else cells.values[~cells.nulls]
                found.append(values[np.isfinite(values)])
        return np.concatenate(found)

    def texts(self, name: str) -> Counter[str]:
        """Returns the counts of the texts of a column."""
        counts: Counter[str] = Counter()
        for cells in self._cells(name):
            if isinstance(cells, Texts):
                by_value = np.bincount(cells.indices + 1, minlength=len(cells.dictionary) + 1)[1:]
                present = np.flatnonzero(by_value)
                for text, count in zip(
                    cells.dictionary.take(pa.array(present)).to_pylist(), by_value[present], strict=True
                ):
                    counts[short(text)] += int(count)
        return counts

    def is_request_level(self, name: str) -> bool:
        """Returns True if the rows of each sampled event have one value: at least MIN_PAIRS rows agree with the row before
        them, and none differs."""
        pairs = 0
        for batch, hashes in self._chunks:
            index = batch.schema.get_field_index(name)
            together = hashes[1:] == hashes[:-1]
            if index < 0 or not together.any():
                continue
            equal = _equal_neighbours(batch.column(index))
            if equal is None or (together & ~equal).any():
                return False
            pairs += int(np.count_nonzero(together))
        return pairs >= MIN_PAIRS

    def _cells(self, name: str) -> list[Numbers | Texts]:
        found = []
        for batch, _ in self._chunks:
            index = batch.schema.get_field_index(name)
            if index >= 0:
                cells = cells_of(batch.column(index))
                if isinstance(cells, Numbers | Texts):
                    found.append(cells)
        return found


def _below(batch: pa.RecordBatch, hashes: Hashes, limit: np.uint64) -> tuple[pa.RecordBatch, Hashes]:
    kept = hashes <= limit
    return (batch, hashes) if kept.all() else (batch.filter(pa.array(kept)), hashes[kept])


def _equal_neighbours(column: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Returns for each row but the first whether its value equals the one before; None for values without an order."""
    cells = cells_of(column)
    if isinstance(cells, Texts):
        equal: npt.NDArray[np.bool_] = cells.indices[1:] == cells.indices[:-1]
        return equal
    if isinstance(cells, Numbers):
        missing = np.isnan(cells.values)
        if cells.nulls is not None:
            missing |= cells.nulls
        same: npt.NDArray[np.bool_] = (cells.values[1:] == cells.values[:-1]) & ~missing[1:] & ~missing[:-1]
        return same | (missing[1:] & missing[:-1])
    return None
