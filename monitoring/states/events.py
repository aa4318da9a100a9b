"""The events of a batch: which rows belong together, which row counts the event, when it happened, and in which slice.

Rows of one event that follow each other are one group. With an item index, the row of item 0 counts the event, so a batch may
split an event. Without one, the first row of an event in the file does, so the rows of an event must stand in one file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.errors import MonitoringError
from monitoring.states.hashing import hash_texts, mix
from monitoring.states.profile import SliceKey

if TYPE_CHECKING:
    from monitoring.states.layout import Layout

Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

HOUR = 3_600_000_000


@dataclass(slots=True)
class Events:
    """The events of n rows in g groups.

    `group`: int64 of shape (n,), ascending. `hashes`: uint64 of shape (g,), of the event ids. `firsts`: int64 of shape (f,),
    the rows that count their event. `ids`: the event ids of the groups, None where rows have none. `times`: int64 of shape
    (n,), microseconds since 1970 UTC, None where the file has none. `keys`: uint64 of shape (n,), of event and item, None
    where rows have no item index.
    """

    group: Indices
    hashes: Hashes
    firsts: Indices
    ids: pa.Array | None
    times: Indices | None
    keys: Hashes | None

    def __len__(self) -> int:
        return len(self.group)

    def row_hashes(self, rows: Indices) -> Hashes:
        """Returns the hash of the event of each of these rows."""
        return self.hashes.take(self.group.take(rows))


def column_of(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """Returns the column of this name, None where the batch has none."""
    index = batch.schema.get_field_index(name) if name else -1
    return None if index < 0 else batch.column(index)


def find_events(batch: pa.RecordBatch, layout: Layout, row_numbers: Hashes) -> Events:
    """Returns the events of a batch. `row_numbers` are hashes that name the rows, for a file without event ids."""
    count = batch.num_rows
    times = _times(batch, layout)
    ids = column_of(batch, layout.event_id)
    if ids is None:
        group = np.arange(count)
        return Events(group, row_numbers, group, None, times, None)
    ids = as_texts(ids)
    starts = np.flatnonzero(_begins(ids))
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, count)))
    named = ids.take(pa.array(starts))
    hashes = hash_texts(named)
    if named.null_count:
        nulls = np.asarray(named.is_null())
        hashes[nulls] = row_numbers[starts[nulls]]
    items = column_of(batch, layout.item_index)
    if items is None:
        return Events(group, hashes, starts, named, times, None)
    numbers = np.asarray(pc.fill_null(items.cast(pa.int64()), 0))
    keys = mix(hashes.take(group) ^ mix(numbers.astype(np.uint64)))
    return Events(group, hashes, np.flatnonzero(numbers == 0), named, times, keys)


def as_texts(column: pa.Array) -> pa.Array:
    """Returns a column as a string array."""
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _begins(ids: pa.Array) -> npt.NDArray[np.bool_]:
    """Returns True for each row whose id differs from the row before; a null id differs from every id."""
    begins = np.ones(len(ids), np.bool_)
    if len(ids) > 1:
        begins[1:] = np.asarray(pc.fill_null(pc.not_equal(ids[1:], ids[:-1]), True))
    return begins


def _times(batch: pa.RecordBatch, layout: Layout) -> Indices | None:
    column = column_of(batch, layout.time)
    if column is None:
        return None
    if not pa.types.is_timestamp(column.type):
        raise MonitoringError(f"the time column {layout.time!r} holds {column.type}, not timestamps")
    microseconds = column.cast(pa.timestamp("us", column.type.tz), safe=False).view(pa.int64())
    return np.asarray(pc.fill_null(microseconds, NO_TIME))


NO_TIME = np.iinfo(np.int64).min
"""The time of a row whose time is null."""


def slices_of(batch: pa.RecordBatch, layout: Layout) -> list[tuple[SliceKey, Indices | None]]:
    """Returns the slices of a batch, and the rows of each (None for all rows)."""
    names, name_codes = _labels(column_of(batch, layout.model_name))
    versions, version_codes = _labels(column_of(batch, layout.model_version))
    shares, share_codes = _labels(column_of(batch, layout.sampling_percentage))
    codes = (name_codes * len(versions) + version_codes) * len(shares) + share_codes
    if isinstance(codes, int) or not len(codes):
        present: list[tuple[int, Indices | None]] = [(0, None)] if batch.num_rows else []
    else:
        found = np.unique(codes)
        present = [(int(code), np.flatnonzero(codes == code) if len(found) > 1 else None) for code in found]
    keys = []
    for code, rows in present:
        rest, share = divmod(code, len(shares))
        name, version = divmod(rest, len(versions))
        text = shares[share]
        keys.append((SliceKey(names[name], versions[version], float(text) if text else 100.0), rows))
    return keys


def _labels(column: pa.Array | None) -> tuple[list[str], Indices | int]:
    """Returns the distinct values of a column as texts ("" for null), and the index of each row's."""
    if column is None or not len(column):
        return [""], 0
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    labels = ["" if value is None else str(value) for value in encoded.dictionary.to_pylist()]
    if len(labels) == 1 and not encoded.null_count:
        return labels, 0
    codes = np.asarray(pc.fill_null(encoded.indices.cast(pa.int64()), len(labels)))
    return [*labels, ""], codes
