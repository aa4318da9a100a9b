"""Blocks: every input shape of DESIGN section 4, turned into a block that the frame can hold.

A `EncodedBlock` is a block that is ready to be written: its kind, its names, what goes into the frame's head, and the buffers
that follow the head byte for byte, so that an array is copied and never turned into Python objects. Which way a value
takes is decided by its type:

| given | kind |
| --- | --- |
| a mapping | `ROW`, or undecided where every value is a list, array or Series and all have one length ¹ |
| a sequence of mappings | `ROWS` where all have the same names, else `RAGGED` |
| a NumPy array of numbers, a DataFrame with one dtype | `MATRIX` |
| a NumPy array of records | `TABLE`, a column for each field |
| a DataFrame with several dtypes | `TABLE`, a block of one dtype at a time, strings as Arrow's buffers |
| an Arrow batch or table | `BATCH`, as an IPC stream |
| a sequence of sequences or of one-dimensional arrays | `ROWS`, the names being those of the settings, or `feature_0` … |
| a pandas Series | features: one row, its index the names where they are text; predictions: one row each |
| one sequence or array of scalars, one scalar | features: one row; predictions: one row each |
| a tuple of columns, each as long as there are items | predictions: an output each, `0`, `1`, … |
| None | predictions: null for each row |

¹ A mapping of lists of length L is a table of L rows (`TABLE`), or one row whose values are lists (`LISTS`). The
predictions decide (`decided`): one prediction that is not in a sequence, or one for L other than 1, makes it one row.
Predictions of a single item are columns where that length is 1, else one row whose values are lists.

pandas and pyarrow are never imported here: whoever passes a DataFrame has brought them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from capture.journal import values
from capture.journal.frame import BATCH, COLUMNS, LISTS, MATRIX, RAGGED, ROW, ROWS, TABLE
from capture.writing.coercion import (
    add_column,
    as_array,
    as_arrow,
    as_rows,
    cells,
    common_length,
    contiguous,
    is_arrow_array,
    is_column,
    is_mapping,
    is_series,
    is_single,
    named_fields,
    nested_cells,
)
from capture.writing.column_names import MAX_NAMES
from capture.writing.dataframes import frame_parts, known_values
from capture.writing.restriction import dtype_may_nest, may_nest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from capture.writing.column_names import Shape, Shapes

_LISTS = (list, tuple)
_NESTED = (list, tuple, dict)
_DICTS = {dict}
_Raw = msgspec.Raw


class EncodedBlock(msgspec.Struct, frozen=True):
    """A block that is ready to be written: `fields` follow kind and shape in the head, `buffers` follow the head."""

    kind: int
    shape: Shape | None
    fields: tuple[Any, ...]
    buffers: tuple[Any, ...]
    rows: int


class BlockEncoder:
    """Turns what callers pass into blocks, by the settings of one buffer.

    `feature_names` names the columns of arrays and sequences. A block may refer to the caller's own memory; `freeze`
    gives one that does not. Threads may share a encoder: what it remembers of the last frame and the last names is one
    tuple each, taken and replaced whole.
    """

    def __init__(self, shapes: Shapes, feature_names: Sequence[str] | None = None) -> None:
        self._shapes = shapes
        self.active = shapes.active
        self._feature_names = tuple(feature_names) if feature_names else None
        self._no_names = shapes.of(())
        self._last_frame: tuple[Any, Shape] = (None, self._no_names)
        self._last_named: tuple[tuple[str, ...], Shape] = ((), self._no_names)
        self._single = shapes.outputs.of(("",))
        self._outputs: BlockEncoder = self if shapes.outputs is shapes else BlockEncoder(shapes.outputs)

    def features(self, given: Any, names: Sequence[str] | None = None) -> EncodedBlock:
        """The block of item-level features; TypeError or ValueError where they cannot be captured."""
        if type(given) is dict:
            return self._mapping(given, one_row=False)
        if type(given) is list and set(map(type, given)) == _DICTS:
            return self._mappings(given)
        if given is None:
            return EncodedBlock(ROWS, self._no_names, (((),),), (), 1)
        names = self._feature_names if names is None else tuple(names)
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if numpy is not None and type(given) is numpy.ndarray:
            return self._array(given, names)
        if pandas is not None and isinstance(given, pandas.DataFrame):
            return self._dataframe(given)
        array = as_array(given)
        if array is not None:
            return self._array(array, names)
        given = as_arrow(given)
        table = self._table(given)
        if table is not None:
            return table
        named = named_fields(given)
        if named is not None:
            return self._mapping(named, one_row=True) if isinstance(named, dict) else self._mappings(named)
        if is_arrow_array(given):
            given = given.to_pylist()
        if is_series(given):
            labels = tuple(given.index)
            names = labels if all(isinstance(label, str) for label in labels) else names
            given = known_values(given)
        elif not isinstance(given, _LISTS):
            given = [given]
        elif not given:
            return EncodedBlock(ROWS, self._no_names, ((),), (), 0)
        rows = as_rows(given)
        if rows:
            return self._sequences(rows, names, "feature_{}")
        return self._one_sequence(given, self._named(names, len(given), "feature_{}"))

    def frozen_request(self, given: Mapping[str, Any]) -> EncodedBlock:
        """Returns `request` in memory of its own."""
        if type(given) is dict and not self.active:
            shape = self._shapes.last.get(len(given))
            if shape is not None:
                try:
                    row = shape.take(given)
                except KeyError:
                    pass
                else:
                    return EncodedBlock(ROW, shape, (_Raw(values.encode(row)),), (), 1)
        return freeze(self.request(given))

    def frozen_features(self, given: Any, names: Sequence[str] | None = None) -> EncodedBlock:
        """Returns `features` in memory of its own."""
        if type(given) is list and given and not self.active:
            draft = self._known_rows(given)
            if draft is not None:
                return EncodedBlock(ROWS, draft.shape, (_Raw(values.encode(draft.fields[0])),), (), draft.rows)
        return freeze(self.features(given, names))

    def _known_rows(self, given: list[Any]) -> EncodedBlock | None:
        """Returns the draft of mappings that all have the names of the last mapping of their size; None for anything else."""
        first = given[0]
        if type(first) is not dict:
            return None
        shape = self._shapes.last.get(len(first))
        if shape is None:
            return None
        if len(given) > 1 and (set(map(type, given)) != _DICTS or set(map(len, given)) != {shape.size}):
            return None
        try:
            rows = list(map(shape.take, given))
        except KeyError:
            return None
        return EncodedBlock(ROWS, shape, (rows,), (), len(rows))

    def request(self, given: Mapping[str, Any]) -> EncodedBlock:
        """The block of request-level features: always one row."""
        return self._mapping(given if type(given) is dict else dict(given), one_row=True)

    def no_predictions(self, items: EncodedBlock) -> EncodedBlock:
        """The block of predictions that are None: null for each row."""
        rows = 1 if items.kind == COLUMNS else items.rows
        return (
            EncodedBlock(ROWS, self._single, ([(None,)] * rows,), (), rows) if rows != 1 else self.predictions(None, 1)
        )

    def predictions(self, given: Any, items: int) -> EncodedBlock:
        """The block of predictions for `items` rows; the unnamed output is called `""`, k of them `"0"` …"""
        if type(given) is float:
            return EncodedBlock(ROW, self._single, ((given,),), (), 1)
        if type(given) is list and given and type(given[0]) is dict:
            outputs = self._outputs
            known = None if outputs.active else outputs._known_rows(given)
            if known is not None:
                return known
            if set(map(type, given)) == _DICTS:
                return outputs._mappings(given)
        array = as_array(given)
        if array is not None:
            if array.ndim == 2 and array.dtype.kind in "biufcmM":
                return self._matrix(array, self._plain_shape(_numbered("{}", array.shape[1])))
            if array.ndim == 1 and array.dtype.kind in "biufcmM":
                text, data = contiguous(array)
                head = (text, len(array), 1, "C", len(data))
                return EncodedBlock(MATRIX, self._single, head, (data,), len(array))
            if array.dtype.names:
                return self._outputs._records(array)
            given = array.tolist()
        elif isinstance(given, dict) or is_mapping(given):
            return self._named_outputs(dict(given), items)
        elif is_series(given) or is_arrow_array(given := as_arrow(given)):
            return self._outputs._columns(self._single, [given], len(given), TABLE)
        elif isinstance(given, tuple) and given and all(is_column(one) and len(one) == items for one in given):
            if hasattr(given, "_fields"):
                return self._named_outputs(dict(zip(given._fields, given, strict=True)), items)
            shape = self._single if len(given) == 1 else self._plain_shape(_numbered("{}", len(given)))
            return self._outputs._columns(shape, given, items, TABLE)
        else:
            table = self._outputs._table(given)
            if table is not None:
                return table
            named = None if hasattr(given, "_fields") else named_fields(given)
            if named is not None:
                return self._named_outputs(named, items) if isinstance(named, dict) else self._outputs._mappings(named)
        if not isinstance(given, _LISTS):
            return EncodedBlock(ROW, self._single, (self._outputs._restricted(self._single, [(given,)])[0],), (), 1)
        rows = as_rows(given)
        if rows and len(set(map(len, rows))) == 1:
            shape = self._plain_shape(_numbered("{}", len(rows[0])))
            return EncodedBlock(ROWS, shape, (self._outputs._restricted(shape, rows),), (), len(rows))
        values_ = self._outputs._restricted(self._single, [(value,) for value in given])
        return EncodedBlock(ROWS, self._single, (values_,), (), len(given))

    def _named_outputs(self, given: dict[Any, Any], items: int) -> EncodedBlock:
        block = self._outputs._mapping(given, one_row=items == 1 and not all(map(is_single, given.values())))
        return EncodedBlock(TABLE, *_after_kind(block)) if block.kind == COLUMNS else block

    def _plain_shape(self, names: tuple[str, ...]) -> Shape:
        """A shape of outputs that have numbers for names, which no setting can mean."""
        return self._shapes.outputs.of(names)

    def _named(self, names: tuple[str, ...] | None, width: int, default: str) -> Shape:
        last, shape = self._last_named
        if names is last and len(names) == width:
            return shape
        if names is None or len(names) != width:
            names = self._numbered_instead(names, default, width)
        shape = self._shapes.of(names)
        self._last_named = (names, shape)
        return shape

    def _numbered_instead(self, names: tuple[str, ...] | None, default: str, width: int) -> tuple[str, ...]:
        """Numbers where the names do not fit; ValueError where they decide what may be captured."""
        if names and self._shapes.active:
            raise ValueError(
                f"{len(names)} names do not fit a row of {width} values: it cannot be told which of them "
                "CAPTURE_EXCLUDE and CAPTURE_HASH mean"
            )
        return _numbered(default, width)

    def _mapping(self, given: dict[Any, Any], one_row: bool) -> EncodedBlock:
        shape, row = self._shapes.read(given)
        if not one_row and row and type(row[0]) is not float and is_column(row[0]):
            length = common_length(row)
            if length is not None:
                return self._columns(shape, row, length, COLUMNS)
        return EncodedBlock(ROW, shape, (self._shapes.restrict(shape, row) if self._shapes.active else row,), (), 1)

    def _columns(self, shape: Shape, columns: Sequence[Any], length: int, kind: int) -> EncodedBlock:
        """Columns of `shape.given`, all of one length."""
        parts: list[tuple[Any, ...]] = []
        buffers: list[Any] = []
        if shape.kept is not None:
            columns = [columns[position] for position in shape.kept]
        for position, column in enumerate(columns):
            if position in shape.hashed:
                parts.append(("l", (position,), [self._shapes.digest(value) for value in cells(column)]))
            elif self._shapes.active and may_nest(column):
                parts.append(("l", (position,), self._opened(shape, position, nested_cells(column))))
            else:
                add_column(parts, buffers, position, column)
        return EncodedBlock(kind, shape, (length, parts), tuple(buffers), length)

    def _opened(self, shape: Shape, position: int, column: Sequence[Any]) -> list[Any]:
        """A column's cells, without what the settings exclude inside them."""
        return [self._shapes.inside(value, shape.names[position]) for value in column]

    def _array(self, array: Any, names: tuple[str, ...] | None) -> EncodedBlock:
        if array.dtype.names:
            return self._records(array)
        if array.ndim != 2:
            if array.ndim > 2:
                raise ValueError(f"an array of shape {array.shape} has no rows and columns")
            array = array.reshape(1, -1)
        return self._matrix(array, self._named(names, array.shape[1], "feature_{}"))

    def _records(self, array: Any) -> EncodedBlock:
        """A structured array: the fields are columns."""
        rows = array.reshape(-1)
        shape = self._shapes.of(array.dtype.names)
        return self._columns(shape, [rows[name] for name in array.dtype.names], len(rows), TABLE)

    def _matrix(self, array: Any, shape: Shape) -> EncodedBlock:
        if array.dtype.kind not in "biufcmM":
            return EncodedBlock(ROWS, shape, (self._restricted(shape, array.tolist()),), (), len(array))
        if shape.restricted:
            return self._columns(shape, list(array.T), len(array), TABLE)
        flags, (rows, width) = array.flags, array.shape
        order = "C" if flags.c_contiguous or not flags.f_contiguous else "F"
        text, data = contiguous(array if order == "C" else array.T)
        return EncodedBlock(MATRIX, shape, (text, rows, width, order, len(data)), (data,), rows)

    def _restricted(self, shape: Shape, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        return [self._shapes.restrict(shape, row) for row in rows] if self._shapes.active else rows

    def _sequences(self, rows: Sequence[Sequence[Any]], names: tuple[str, ...] | None, default: str) -> EncodedBlock:
        width = len(rows[0])
        if set(map(len, rows)) != {width}:
            width = max(map(len, rows))
            given = names if names and len(names) >= width else self._numbered_instead(names, default, width)
            return self._mappings([dict(zip(given, row, strict=False)) for row in rows])
        shape = self._named(names, width, default)
        return EncodedBlock(ROWS, shape, (self._restricted(shape, rows),), (), len(rows))

    def _one_sequence(self, row: Sequence[Any], shape: Shape) -> EncodedBlock:
        return EncodedBlock(ROWS, shape, (self._restricted(shape, [row]),), (), 1)

    def _mappings(self, rows: Sequence[Mapping[Any, Any]]) -> EncodedBlock:
        """Mappings with the same names in any order are `ROWS`; else each row brings its own names."""
        shape, _ = self._shapes.read(rows[0])
        if set(map(len, rows)) == {shape.size}:
            try:
                taken: Sequence[Any] = list(map(shape.take, rows))
            except KeyError:
                pass
            else:
                return EncodedBlock(ROWS, shape, (self._restricted(shape, taken),), (), len(rows))
        return EncodedBlock(RAGGED, None, (self._ragged(rows),), (), len(rows))

    def _ragged(self, rows: Sequence[Mapping[Any, Any]]) -> list[dict[str, Any]]:
        """Rows that bring names of their own; no shape is made of them where nothing restricts them."""
        if not self._shapes.active:
            return [{str(name): value for name, value in row.items()} for row in rows]
        if len(rows) > MAX_NAMES:
            raise ValueError(
                f"{len(rows)} rows with names of their own; at most {MAX_NAMES} are restricted and captured"
            )
        ragged = []
        for row in rows:
            own, found = self._shapes.read(row)
            ragged.append(dict(zip(own.names, self._shapes.restrict(own, found), strict=True)))
        return ragged

    def _table(self, given: Any) -> EncodedBlock | None:
        """Sequences of mappings, mappings of another class, DataFrames, Series and Arrow tables; None for others."""
        if isinstance(given, _LISTS):
            if set(map(type, given)) == _DICTS:
                return self._mappings(given)
            return self._mappings(list(map(dict, given))) if given and all(map(is_mapping, given)) else None
        pandas = sys.modules.get("pandas")
        if pandas is not None and isinstance(given, pandas.DataFrame):
            return self._dataframe(given)
        arrow = sys.modules.get("pyarrow")
        if arrow is not None and isinstance(given, arrow.RecordBatch | arrow.Table):
            return self._arrow(arrow, given)
        if is_mapping(given):
            return self._mapping(dict(given), one_row=False)
        return None

    def _dataframe(self, frame: Any) -> EncodedBlock:
        columns = frame.columns
        last, shape = self._last_frame
        if columns is not last:
            if last is None or not columns.equals(last):
                shape = self._shapes.of(tuple(columns))
            self._last_frame = (columns, shape)
        rows = len(frame)
        if shape.restricted or (self._shapes.active and any(map(dtype_may_nest, frame.dtypes))):
            return self._restricted_frame(shape, frame, rows)
        parts, buffers = frame_parts(frame)
        if len(parts) == 1 and parts[0][0] == "m" and list(parts[0][1]) == list(range(len(shape.names))):
            head = (parts[0][2], rows, len(shape.names), "F", parts[0][3])
            return EncodedBlock(MATRIX, shape, head, tuple(buffers), rows)
        return EncodedBlock(TABLE, shape, (rows, parts), tuple(buffers), rows)

    def _restricted_frame(self, shape: Shape, frame: Any, rows: int) -> EncodedBlock:
        kept = range(shape.size) if shape.kept is None else shape.kept
        nested = [
            position
            for position in range(len(shape.names))
            if position not in shape.hashed and dtype_may_nest(frame.dtypes.iloc[kept[position]])
        ]
        plain = [position for position in range(len(shape.names)) if position not in (*shape.hashed, *nested)]
        found, buffers = frame_parts(frame.iloc[:, [kept[position] for position in plain]])
        parts = [(tag, [plain[number] for number in numbers], *rest) for tag, numbers, *rest in found]
        for position in shape.hashed:
            column = known_values(frame.iloc[:, kept[position]])
            parts.append(("l", (position,), [self._shapes.digest(value) for value in column]))
        for position in nested:
            column = known_values(frame.iloc[:, kept[position]])
            parts.append(("l", (position,), self._opened(shape, position, column)))
        return EncodedBlock(TABLE, shape, (rows, parts), tuple(buffers), rows)

    def _arrow(self, arrow: Any, given: Any) -> EncodedBlock:
        shape, rows = self._shapes.of(tuple(given.schema.names)), given.num_rows
        if not shape.names:
            return EncodedBlock(TABLE, shape, (rows, ()), (), rows)
        if self._shapes.active and any(map(may_nest, given.columns)):
            return self._columns(shape, given.columns, rows, TABLE)
        if shape.restricted:
            columns = given.columns if shape.kept is None else [given.columns[position] for position in shape.kept]
            for position in shape.hashed:
                digests = [self._shapes.digest(value) for value in columns[position].to_pylist()]
                columns[position] = arrow.array(digests, arrow.string())
            given = arrow.Table.from_arrays(columns, names=list(shape.names))
        sink = arrow.BufferOutputStream()
        with arrow.ipc.new_stream(sink, given.schema) as writer:
            writer.write(given)
        data = sink.getvalue()
        return EncodedBlock(BATCH, None, (data.size,), (memoryview(data).cast("B"),), rows)


def decided(items: EncodedBlock, predictions: EncodedBlock) -> EncodedBlock:
    """Items given as a mapping of lists, as the table or the one row that the predictions make of them."""
    single = predictions.rows == 1 and (predictions.kind == ROW or items.rows != 1)
    if single:
        return EncodedBlock(LISTS, items.shape, items.fields, items.buffers, 1)
    return EncodedBlock(TABLE, *_after_kind(items))


def _after_kind(block: EncodedBlock) -> tuple[Any, ...]:
    return block.shape, block.fields, block.buffers, block.rows


def freeze(block: EncodedBlock) -> EncodedBlock:
    """The same block in memory of its own, safe from whoever changes the caller's objects afterwards."""
    if block.kind <= ROWS:
        return EncodedBlock(block.kind, block.shape, (_Raw(values.encode(block.fields[0])),), (), block.rows)
    fields = tuple(_Raw(values.encode(entry)) if isinstance(entry, _NESTED) else entry for entry in block.fields)
    buffers = tuple(bytes(buffer) for buffer in block.buffers)
    return EncodedBlock(block.kind, block.shape, fields, buffers, block.rows)


def _numbered(pattern: str, width: int) -> tuple[str, ...]:
    if width > MAX_NAMES:
        raise ValueError(f"{width} features in one row; at most {MAX_NAMES} are captured")
    return tuple(pattern.format(position) for position in range(width))
