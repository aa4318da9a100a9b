"""Groupings of rows into units: single requests and blocks, hours, groups by a column, and the levels of a baseline.

A `Grouper` gives each row of a batch the index of its unit, or -1 where it has none. `RowGroups` counts a column's coarse bins
by unit with one `bincount`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.states.events import HOUR, NO_TIME, Events, as_texts
from monitoring.states.hashing import hash_texts
from monitoring.states.units import BLOCK_BITS, BLOCKS, HASH_BITS, SINGLE_REQUESTS, UnitKind

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grouping:
    """The units of the rows of a batch: `codes` of shape (n,), the index into `ids` or -1."""

    kind: UnitKind
    ids: npt.NDArray[np.uint64]
    codes: Codes
    partial: bool = False
    bits: int = HASH_BITS
    labels: dict[int, str] = field(default_factory=dict)


class Grouper(Protocol):
    """Gives rows their units."""

    def group(self, events: Events, unit_column: pa.Array | None) -> Grouping | None:
        """Returns the units of the rows; None where this file has none of this kind."""


class RequestGrouper:
    """Units are single requests in a batch of few, else blocks."""

    def group(self, events: Events, unit_column: pa.Array | None) -> Grouping | None:
        """Returns the request or block of each row."""
        if len(events.hashes) <= SINGLE_REQUESTS:
            ids, index = np.unique(events.hashes, return_inverse=True)
            return Grouping(UnitKind.REQUEST, ids, index.take(events.group))
        blocks = (events.hashes >> np.uint64(HASH_BITS - BLOCK_BITS)).astype(np.int64)
        return Grouping(
            UnitKind.REQUEST, np.arange(BLOCKS, dtype=np.uint64), blocks.take(events.group), bits=BLOCK_BITS
        )


class HourGrouper:
    """Units are hours of UTC."""

    def group(self, events: Events, unit_column: pa.Array | None) -> Grouping | None:
        """Returns the hour of each row; rows without a time have no unit."""
        if events.times is None or not len(events):
            return None
        low, high = int(events.times.min()), int(events.times.max())
        if low // HOUR == high // HOUR and low >= 0:
            return Grouping(UnitKind.HOUR, np.array([low // HOUR], np.uint64), np.zeros(len(events), np.int64))
        hours = events.times // HOUR
        timeless = (events.times == NO_TIME) | (hours < 0)
        ids, index = np.unique(np.where(timeless, -1, hours), return_inverse=True)
        if ids[0] < 0:
            return Grouping(UnitKind.HOUR, ids[1:].astype(np.uint64), index - 1, partial=True)
        return Grouping(UnitKind.HOUR, ids.astype(np.uint64), index)


class ColumnGrouper:
    """Units are the values of one column."""

    def group(self, events: Events, unit_column: pa.Array | None) -> Grouping | None:
        """Returns the group of each row; rows without a value have no unit."""
        if unit_column is None:
            return None
        encoded = as_texts(unit_column).dictionary_encode()
        hashes = hash_texts(encoded.dictionary)
        ids, index = np.unique(hashes, return_inverse=True)
        codes = np.asarray(encoded.indices.fill_null(len(hashes))).astype(np.int64)
        labels = {int(key): name for key, name in zip(hashes, encoded.dictionary.to_pylist(), strict=True)}
        return Grouping(
            UnitKind.COLUMN,
            ids,
            np.append(index, -1).take(codes),
            partial=encoded.null_count > 0,
            labels=labels,
        )


@dataclass(frozen=True, slots=True)
class LevelGrouper:
    """Units are the first `blocks` blocks of `size` requests each, of about `requests` in all, by the order of hashes.

    A block is a range of hashes, so it holds `size` requests on average and varies as a window's blocks do.
    """

    requests: int
    size: int
    blocks: int

    def group(self, events: Events, unit_column: pa.Array | None) -> Grouping | None:
        """Returns the block of each row; rows of later blocks have no unit."""
        width = (1 << HASH_BITS) * self.size // max(self.requests, self.size)
        if self.size == 1:
            limit = min(width * self.blocks, (1 << HASH_BITS) - 1)
            kept = events.hashes <= np.uint64(limit)
            ids, index = np.unique(events.hashes[kept], return_inverse=True)
            codes = np.full(len(events.hashes), -1)
            codes[kept] = index
            return Grouping(UnitKind.BLOCK, ids, codes.take(events.group), partial=True)
        blocks = (events.hashes // np.uint64(min(width, (1 << HASH_BITS) - 1))).astype(np.int64)
        blocks[blocks >= self.blocks] = -1
        ids = np.arange(self.blocks, dtype=np.uint64)
        return Grouping(UnitKind.BLOCK, ids, blocks.take(events.group), partial=True)


class RowGroups:
    """Some rows of a batch by unit, ready to count columns: `rows` of the batch (None for all) with the codes of each."""

    def __init__(self, grouping: Grouping, rows: Codes | None) -> None:
        codes = grouping.codes if rows is None else grouping.codes.take(rows)
        self._kept = np.flatnonzero(codes >= 0) if grouping.partial else None
        self._codes = codes if self._kept is None else codes.take(self._kept)
        self.units = len(grouping.ids)
        self._bases: dict[int, Codes] = {}

    def sizes(self) -> npt.NDArray[np.float64]:
        """Returns the rows of each unit."""
        return np.bincount(self._codes, minlength=self.units).astype(np.float64)

    def counts(self, coarse: Codes, bins: int, totals: Codes) -> npt.NDArray[np.float64]:
        """Returns the counts of coarse bins by unit, (units, bins). `totals` are those of all rows."""
        if self.units == 1 and self._kept is None:
            return totals[np.newaxis, :].astype(np.float64)
        base = self._bases.get(bins)
        if base is None:
            base = self._bases[bins] = self._codes * bins
        if self._kept is not None:
            coarse = coarse.take(self._kept)
        counted = np.bincount(base + coarse, minlength=self.units * bins)
        return counted.reshape(self.units, bins).astype(np.float64)
