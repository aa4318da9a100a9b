"""Counts by unit: how the rows of each request (or block of requests), hour, day or group fall into the coarse bins.

The drift decision compares units, not rows, because the rows of one request are alike. Requests are known by a hash of their
id. A table keeps single requests while there are at most SINGLE_REQUESTS, else BLOCKS blocks, some of which may be empty: the
requests whose hashes begin with the same BLOCK_BITS bits. Which of the two it keeps depends on the requests alone, not on the order of merging, so that
merging is associative. `coarsened` makes larger blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

SINGLE_REQUESTS = 500
BLOCK_BITS = 9
BLOCKS = 1 << BLOCK_BITS
HASH_BITS = 64


class UnitKind(StrEnum):
    """What one unit is. COLUMN is a named column's value (`--unit COLUMN`), BLOCK a block of a baseline's level."""

    REQUEST = "request"
    HOUR = "hour"
    DAY = "day"
    COLUMN = "column"
    BLOCK = "block"


@dataclass(slots=True)
class UnitTable:
    """Counts of U units.

    `ids`: uint64 of shape (U,), ascending: the hash of a single request (`bits` 64), the first `bits` bits of the hashes of a
    block, hours or days since 1970 in UTC, or the hash of a group's name (`labels` has the names). `requests` and `rows`:
    float64 of shape (U,). `counts`: by column float64 of shape (U, K), K coarse bins with the missing values last; a unit's
    counts sum to its rows, or to its requests for a request-level column. Counts are whole unless they were weighted.
    """

    kind: UnitKind
    ids: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    requests: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    rows: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    counts: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    bits: int = HASH_BITS
    labels: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> float:
        """The requests of a unit on average; 0 without units."""
        return float(self.requests.sum()) / len(self.ids) if len(self.ids) else 0.0


def merge_units(first: UnitTable, second: UnitTable) -> UnitTable:
    """Returns the table of both tables' rows. Raises ValueError where the kinds differ."""
    if first.kind is not second.kind:
        raise ValueError(f"a table by {first.kind} does not merge with one by {second.kind}")
    if not len(first) or not len(second):
        return second if len(second) else first
    bits = min(first.bits, second.bits)
    first, second = shortened(first, bits), shortened(second, bits)
    if np.array_equal(first.ids, second.ids):
        added = {name: counts + second.counts[name] for name, counts in first.counts.items()}
        labels = {**first.labels, **second.labels}
        requests, rows = first.requests + second.requests, first.rows + second.rows
        return UnitTable(first.kind, first.ids, requests, rows, added, bits, labels)
    merged = _grouped(
        first.kind,
        bits,
        np.concatenate((first.ids, second.ids)),
        np.concatenate((first.requests, second.requests)),
        np.concatenate((first.rows, second.rows)),
        {name: np.concatenate((counts, second.counts[name])) for name, counts in first.counts.items()},
        {**first.labels, **second.labels},
    )
    return canonical(merged)


def canonical(table: UnitTable) -> UnitTable:
    """Returns a table of requests as blocks where it has more than SINGLE_REQUESTS single ones; any other as it is."""
    if table.kind is UnitKind.REQUEST and table.bits == HASH_BITS and len(table) > SINGLE_REQUESTS:
        return shortened(table, BLOCK_BITS)
    return table


def shortened(table: UnitTable, bits: int) -> UnitTable:
    """Returns the table of all 2**bits blocks of requests, by the first `bits` bits of their hashes."""
    if bits == table.bits:
        return table
    blocks = 1 << bits
    index = (table.ids >> np.uint64(table.bits - bits)).astype(np.int64)

    def spread(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        total = np.zeros((blocks, *array.shape[1:]))
        np.add.at(total, index, array)
        return total

    counts = {name: spread(array) for name, array in table.counts.items()}
    ids = np.arange(blocks, dtype=np.uint64)
    return UnitTable(table.kind, ids, spread(table.requests), spread(table.rows), counts, bits, table.labels)


def without_empty(table: UnitTable) -> UnitTable:
    """Returns the table of the units that have a request or a row."""
    kept = (table.requests > 0) | (table.rows > 0)
    if kept.all():
        return table
    counts = {name: array[kept] for name, array in table.counts.items()}
    return UnitTable(
        table.kind, table.ids[kept], table.requests[kept], table.rows[kept], counts, table.bits, table.labels
    )


def coarsened(table: UnitTable, factor: int) -> UnitTable:
    """Returns a table in which each run of `factor` blocks that follow each other is one unit; a last run that is cut short
    is left out. Hours become days with factor 24 (`days_of` keeps the short first and last days)."""
    ids = np.arange(len(table), dtype=np.uint64) // np.uint64(factor)
    whole = len(table) // factor * factor
    counts = {name: array[:whole] for name, array in table.counts.items()}
    return _grouped(table.kind, table.bits, ids[:whole], table.requests[:whole], table.rows[:whole], counts, {})


def days_of(hours: UnitTable, days: npt.NDArray[np.int64] | None = None) -> UnitTable:
    """Returns the table by day of a table by hour. `days`: the day of each hour, those of UTC where None."""
    ids = hours.ids // np.uint64(24) if days is None else days.astype(np.uint64)
    return _grouped(UnitKind.DAY, HASH_BITS, ids, hours.requests, hours.rows, hours.counts, {})


def weighted(table: UnitTable, weight: float) -> UnitTable:
    """Returns the table with every count multiplied by `weight`."""
    if weight == 1.0:
        return table
    counts = {name: array * weight for name, array in table.counts.items()}
    return UnitTable(
        table.kind, table.ids, table.requests * weight, table.rows * weight, counts, table.bits, table.labels
    )


def _grouped(
    kind: UnitKind,
    bits: int,
    ids: npt.NDArray[np.uint64],
    requests: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float64],
    counts: dict[str, npt.NDArray[np.float64]],
    labels: dict[int, str],
) -> UnitTable:
    """Returns a table with one unit for each different id, its counts added."""
    if not len(ids):
        return UnitTable(kind, ids, requests, rows, counts, bits, labels)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return UnitTable(
        kind,
        ordered[starts],
        np.add.reduceat(requests[order], starts),
        np.add.reduceat(rows[order], starts),
        {name: np.add.reduceat(array[order], starts, axis=0) for name, array in counts.items()},
        bits,
        labels,
    )
