"""One object as a table: which names have a column, of what type, and what fits nowhere rescued.

Columns stand in this order: the fixed ones, the features (those of `[types]`, then by first appearance), the
predictions, ages and missing counts by feature group, rescued data. A column without any value is left out unless
`[types]` names it.

A name has no column, and its values go to rescued data, where it is empty or longer than 255 bytes, differs from a
column's only by case, or comes after `max_columns` others; features and outputs are counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from capture import dataset
from capture.encoding.block_buffer import Placed
from capture.encoding.cells import Kind, Piece
from capture.encoding.column_types import ColumnType, decided_type, fit, named_type
from capture.encoding.rescued_data import Rescue
from capture.record import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from capture.encoding.block_buffer import Slots
    from capture.encoding.row_index import ObjectRows
    from capture.record import Header

_HASHED = ColumnType(Kind.STRING, pa.string())


@dataclass(slots=True)
class ObjectCounts:
    """What a person should know of an object's making.

    `rescued_cells` are cells that are null because their value fits no column; `refused_names` the features and outputs
    that have no column at all; `renamed` the features that are captured as `feature_{name}`; `row_mismatches` the
    events whose count of predictions is not that of their items.
    """

    rescued_cells: int = 0
    refused_names: int = 0
    renamed: tuple[str, ...] = ()
    row_mismatches: int = 0


@dataclass(slots=True)
class ObjectFacts:
    """What the metadata says of a table's columns; `request` are those that no event has item by item."""

    request: list[str] = field(default_factory=list)
    predictions: list[str] = field(default_factory=list)
    json: list[str] = field(default_factory=list)
    hashed: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectTable:
    """One object: text may stand as dictionaries in `table`, `logical` is the schema that a reader should see."""

    table: pa.Table
    logical: pa.Schema
    events: int
    counts: ObjectCounts
    facts: ObjectFacts


class TableMaking:
    """The columns of one object's table, added in their order."""

    def __init__(self, header: Header, rows: ObjectRows) -> None:
        self._header = header
        self._types = {name: named_type(dataset.column_type(text) or "string") for name, text in header.types.items()}
        self._rows = rows
        self._rescue = Rescue()
        self._names: list[str] = []
        self._arrays: list[Any] = []
        self._logical: list[pa.DataType] = []
        self._lowered = {dataset.RESCUED_DATA}
        self._counts = ObjectCounts()
        self._facts = ObjectFacts()

    def add(self, column: str, array: Any, logical: pa.DataType | None = None) -> None:
        """A column as it is."""
        self._names.append(column)
        self._arrays.append(array)
        self._logical.append(array.type if logical is None else logical)
        self._lowered.add(column.lower())

    def features(
        self,
        order: Iterable[str],
        by_request: set[str],
        by_item: set[str],
        request: dict[str, list[Placed]],
        items: dict[str, list[Placed]],
    ) -> None:
        """The features' columns; `by_request` and `by_item` are the names that any event has at that level, null or not.

        A column's pieces are taken out of `request` and `items`: a batch's memory is not to hold its values twice.
        """
        room = self._header.max_columns
        typed = [name for name in self._types if not dataset.is_reserved(name)]
        names = dict.fromkeys([*typed, *order])
        for name in names:
            column = kept_as = dataset.feature_column(name)
            while column != name and kept_as in names:
                kept_as = f"feature_{kept_as}"
            hashed = matches(name, self._header.hashed)
            spread_out = request.pop(name, [])
            placed, spread = [*spread_out, *items.pop(name, [])], len(spread_out)
            wanted = _HASHED if hashed else self._types.get(column, self._types.get(name))
            if not self._section_column(kept_as, column, placed, spread, wanted, room):
                continue
            room -= 1
            if name in by_request and name not in by_item:
                self._facts.request.append(column)
            if hashed:
                self._facts.hashed.append(column)
            if column != name:
                self._facts.renamed[column] = name

    def predictions(self, order: Iterable[str], outputs: dict[str, list[Placed]]) -> None:
        """The outputs' columns; their pieces are taken out of `outputs`."""
        room = self._header.max_columns
        for name in order:
            column = dataset.prediction_column(name)
            unnamed = not name or name.isdigit()
            hashed = not unnamed and (matches(name, self._header.hashed) or matches(column, self._header.hashed))
            wanted = _HASHED if hashed else self._types.get(column)
            if self._section_column(column, column, outputs.pop(name, []), 0, wanted, room):
                room -= 1
                self._facts.predictions.append(column)
                if hashed:
                    self._facts.hashed.append(column)

    def lookup(self, column: str, events: Sequence[int], values: Sequence[Any], kind: pa.DataType) -> None:
        """An age or a count of missing ids, by event."""
        if not self._admits(column, room=1):
            for event, value in zip(events, values, strict=True):
                self._rescue.of_event(event, column, value)
            return
        slots = np.array(events, np.int64)
        self.add(column, self._rows.assemble([pa.array(values, kind)], [slots], [True]))
        self._facts.request.append(column)

    def mismatch(self, row: int, predictions: Mapping[str, list[Any]]) -> None:
        """Predictions that belong to no row, kept in an event's first one."""
        self._counts.row_mismatches += 1
        for name, values in predictions.items():
            self._rescue.of_row(row, dataset.prediction_column(name), values)

    def table(self) -> ObjectTable:
        """The table, its last column being what was rescued."""
        self.add(dataset.RESCUED_DATA, self._rescue.column(self._rows), pa.string())
        self._counts.renamed = tuple(self._facts.renamed.values())
        logical = pa.schema(list(zip(self._names, self._logical, strict=True)))
        table = pa.table(self._arrays, names=self._names)
        return ObjectTable(table, logical, len(self._rows.counts), self._counts, self._facts)

    def _section_column(
        self, name: str, column: str, placed: Sequence[Placed], spread: int, wanted: ColumnType | None, room: int
    ) -> bool:
        """Adds a column of pieces, the first `spread` of them request-level; False where it gets none.

        What does not fit is rescued as `name`, which no other column's values are: a feature's own name, or a renamed
        one's new name, so that a feature called `prediction` is not taken for a prediction.
        """
        kind = wanted or decided_type(entry.piece for entry in placed)
        if kind is None:
            return False
        if 0 < spread < len(placed):
            placed = [*placed[:spread], *map(_with_values, placed[spread:])]
        if not self._admits(column, room):
            self._refuse(name, placed, spread)
            return False
        arrays: list[pa.Array] = []
        for position, entry in enumerate(placed):
            fitted = fit(entry.piece, kind)
            arrays.append(fitted.array)
            if len(fitted.misfits):
                self._keep(name, placed, spread, position, np.array(fitted.misfits, np.int64))
        if not arrays:
            self.add(column, pa.nulls(self._rows.total, kind.arrow))
        else:
            levels = [position < spread for position in range(len(placed))]
            array = self._rows.assemble(arrays, [entry.slots for entry in placed], levels)
            self.add(column, array, kind.arrow)
        if kind.kind is Kind.JSON:
            self._facts.json.append(column)
        return True

    def _admits(self, column: str, room: int) -> bool:
        bytes_long = len(column.encode())
        return (
            bool(column) and bytes_long <= dataset.MAX_NAME_BYTES and room > 0 and column.lower() not in self._lowered
        )

    def _refuse(self, name: str, placed: Sequence[Placed], spread: int) -> None:
        if placed:
            self._counts.refused_names += 1
        for position, entry in enumerate(placed):
            everything = np.arange(len(entry.piece))
            self._keep(name, placed, spread, position, everything)

    def _keep(self, name: str, placed: Sequence[Placed], spread: int, position: int, cells: Slots) -> None:
        """Rescues cells of one piece, by their positions in it; None is no value."""
        entry = placed[position]
        slots, values = entry.slots[cells].tolist(), entry.piece.taken(cells)
        taken: set[int] = set()
        if position < spread < len(placed):
            taken.update(*(other.slots.tolist() for other in placed[spread:]))
        for slot, value in zip(slots, values, strict=True):
            if value is None:
                continue
            rows: Sequence[int] = (slot,)
            if position < spread:
                first = int(self._rows.starts[slot])
                rows = range(first, first + int(self._rows.counts[slot]))
                if not taken:
                    self._rescue.of_event(slot, name, value)
                    self._counts.rescued_cells += len(rows)
                    continue
            for row in rows:
                if row not in taken:
                    self._rescue.of_row(row, name, value)
                    self._counts.rescued_cells += 1


def _with_values(placed: Placed) -> Placed:
    """The cells that have a value: where an item has none, its request's value of the same name stands."""
    piece = placed.piece
    if isinstance(piece.values, list) or not piece.values.null_count:
        return placed
    kept = np.flatnonzero(np.asarray(piece.values.is_valid()))
    values = piece.values.take(pa.array(kept))
    return Placed(placed.name, Piece(piece.kind, values, untyped=piece.untyped), placed.slots[kept])
