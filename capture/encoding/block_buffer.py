"""Blocks of many records, put together by their names until there are enough of them to become pieces.

Rows that share their names are transposed at once, matrices copied into one, arrays joined: the work is done by the
column and not by the cell. Only rows whose names hardly another row has, as a client's free-form JSON may bring them,
are taken apart cell by cell.

A *slot* is where a row of a block stands: the number of its row in the object, or, for request-level values, of its
event. What a gathering holds may view mapped memory; the pieces that it gives do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capture.encoding.arrow_cells import decoded, pieces_of_arrow
from capture.encoding.cells import Piece, Pieces, pieces_of_cells, pieces_of_numpy
from capture.record import ArrowBlock, Block, Columns, Matrix, Ragged, Rows, distinct

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

Slots = np.ndarray[Any, np.dtype[np.int64]]
_FEW_ROWS = 16


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece of the column `name`, and the slots of its cells.

    `slots` is one object for all columns that stand at the same slots, so that what follows from it is computed once.
    """

    name: str
    piece: Piece
    slots: Slots


@dataclass(slots=True)
class _NameGroup:
    """What was gathered under one tuple of names: rows as tuples or blocks as they are, and the slots."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def slots(self, chosen: Sequence[int] | None = None) -> Slots:
        """The slots of all blocks, or of those chosen, row by row."""
        starts, counts = np.array(self.starts, np.int64), np.array(self.counts, np.int64)
        if chosen is not None:
            starts, counts = starts[chosen], counts[chosen]
        if len(counts) == counts.sum() and (counts == 1).all():
            return starts
        ends = np.cumsum(counts)
        slots: Slots = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
        return slots


class Gathering:
    """The blocks of one sort (request-level features, items, predictions) since the last `pieces`.

    `order` takes every name in the order of its first appearance, and gatherings may share it; `names` are those of this
    one. `cells` counts what waits.
    """

    def __init__(self, order: dict[str, None]) -> None:
        self.names: set[str] = set()
        self._order = order
        self.cells = 0
        self._groups: dict[Hashable, _NameGroup] = {}
        self._known: dict[int, tuple[tuple[str, ...], _NameGroup]] = {}

    def add(self, block: Block, slot: int) -> None:
        """Takes a block whose rows stand at `slot` and the slots after it."""
        if type(block) is Rows:
            known = self._known.get(id(block.names))
            if known is None:
                group = self._group((Rows, block.names), block.names)
                self._known[id(block.names)] = block.names, group
            else:
                group = known[1]
            group.rows += block.rows
            self._placed(group, slot, len(block.rows))
        elif isinstance(block, Ragged):
            for offset, row in enumerate(block.rows):
                names = tuple(row)
                group = self._group((Rows, names), names)
                group.rows.append(tuple(row.values()))
                self._placed(group, slot + offset, 1)
        elif isinstance(block, Matrix):
            group = self._group((Matrix, block.names, block.array.dtype.str), block.names)
            group.blocks.append(block.array)
            self._placed(group, slot, len(block))
        elif isinstance(block, Columns | ArrowBlock):
            columns = block if isinstance(block, Columns) else _columns(block.batch)
            group = self._group((Columns, columns.names), columns.names)
            group.blocks.append(columns.columns)
            self._placed(group, slot, len(block))

    def pieces(self) -> Iterator[Placed]:
        """All that waits, as pieces; nothing waits afterwards."""
        groups, self._groups, self._known, self.cells = self._groups, {}, {}, 0
        scattered: list[_NameGroup] = []
        for key, group in groups.items():
            if isinstance(key, tuple) and key[0] is Matrix:
                yield from _matrix_pieces(group)
            elif isinstance(key, tuple) and key[0] is Columns:
                yield from _column_pieces(group)
            elif len(group.rows) < _FEW_ROWS:
                scattered.append(group)
            else:
                slots = group.slots()
                for name, cells in zip(group.names, zip(*group.rows, strict=True), strict=True):
                    yield from _placed(name, pieces_of_cells(cells), slots)
        yield from _scattered_pieces(scattered)

    def _group(self, key: Hashable, names: tuple[str, ...]) -> _NameGroup:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _NameGroup(distinct(names))
            self.names.update(group.names)
            self._order.update(dict.fromkeys(group.names))
        return group

    def _placed(self, group: _NameGroup, slot: int, rows: int) -> None:
        group.starts.append(slot)
        group.counts.append(rows)
        self.cells += rows * len(group.names)


def _columns(batch: pa.RecordBatch) -> Columns:
    return Columns(tuple(batch.schema.names), batch.columns, batch.num_rows)


def _placed(name: str, pieces: Pieces, slots: Slots) -> Iterator[Placed]:
    for piece in pieces:
        yield Placed(name, piece, slots if piece.positions is None else slots[piece.positions])


def _matrix_pieces(group: _NameGroup) -> Iterator[Placed]:
    """Matrices of one dtype: transposed one by one, while each is in the cache, into one with a row for each column."""
    slots = group.slots()
    joined = np.empty((len(group.names), len(slots)), group.blocks[0].dtype.newbyteorder("="))
    start = 0
    for array in group.blocks:
        joined[:, start : start + len(array)] = array.T
        start += len(array)
    for name, column in zip(group.names, joined, strict=True):
        yield from _placed(name, pieces_of_numpy(column), slots)


def _column_pieces(group: _NameGroup) -> Iterator[Placed]:
    """Blocks of columns; a column may have another type in each."""
    everything = group.slots()
    for position, name in enumerate(group.names):
        columns = [block[position] for block in group.blocks]
        by_type: dict[str, list[int]] = {}
        for number, column in enumerate(columns):
            by_type.setdefault(_sort(column), []).append(number)
        for sort, numbers in by_type.items():
            slots = everything if len(by_type) == 1 else group.slots(numbers)
            yield from _placed(name, _joined(sort, [columns[number] for number in numbers]), slots)


def _sort(column: Any) -> str:
    if isinstance(column, np.ndarray):
        return f"numpy {column.dtype.str}"
    return f"arrow {column.type}" if isinstance(column, pa.Array) else "cells"


def _joined(sort: str, columns: list[Any]) -> Pieces:
    if sort == "cells":
        return pieces_of_cells([cell for column in columns for cell in column])
    return pieces_of_numpy(np.concatenate(columns)) if sort[0] == "n" else pieces_of_arrow(_concatenated(columns))


def _concatenated(columns: list[Any]) -> pa.Array:
    """One array; Arrow joins no extension arrays and no dictionaries of views itself."""
    if len(columns) == 1:
        return columns[0]
    kind = columns[0].type
    if isinstance(columns[0], pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(kind, pa.concat_arrays([column.storage for column in columns]))
    if pa.types.is_dictionary(kind):
        columns = [decoded(column) for column in columns]
    elif pa.types.is_run_end_encoded(kind):
        columns = [pc.run_end_decode(column) for column in columns]
    return pa.concat_arrays(columns)


def _scattered_pieces(groups: list[_NameGroup]) -> Iterator[Placed]:
    """Rows that hardly another row has the names of: their cells, by name."""
    cells: dict[str, tuple[list[int], list[Any]]] = {}
    shared: dict[tuple[int, ...], Slots] = {}
    for group in groups:
        for slot, row in zip(group.slots().tolist(), group.rows, strict=True):
            for name, value in zip(group.names, row, strict=True):
                column = cells.get(name)
                if column is None:
                    column = cells[name] = [], []
                column[0].append(slot)
                column[1].append(value)
    for name, (places, values) in cells.items():
        slots = shared.setdefault(tuple(places), np.array(places, np.int64))
        yield from _placed(name, pieces_of_cells(values), slots)
