"""Drafts: every input shape of DESIGN section 4, turned into a block that the frame can hold.

A `Draft` is a block that is ready to be written: its kind, its names, what goes into the frame's head, and the buffers
that follow the head byte for byte, so that an array is copied and never turned into Python objects. Which way a value
takes is decided by its type:

| given | kind |
| --- | --- |
| a mapping | `ROW`, or `COLUMNS` where every value is a list, array or Series and all have one length ¹ |
| a sequence of mappings | `ROWS` where all have the same names, else `RAGGED` |
| a NumPy array of numbers, a DataFrame with one dtype | `MATRIX` |
| a NumPy array of records | `COLUMNS`, one for each field |
| a DataFrame with several dtypes | `COLUMNS`, a block of one dtype at a time, strings as Arrow's buffers |
| an Arrow batch or table | `BATCH`, as an IPC stream |
| a sequence of sequences or of one-dimensional arrays | `ROWS`, the names being those of the settings, or `feature_0` … |
| a pandas Series | features: one row, its index the names where they are text; predictions: one row each |
| one sequence or array of scalars, one scalar | features: one row; predictions: one row each |

¹ Predictions of a single item are columns where that length is 1, else one row whose values are lists.

pandas and pyarrow are never imported here: whoever passes a DataFrame has brought them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from capture.journal import values
from capture.writing.coercion import (
    add_column,
    as_array,
    as_rows,
    cells,
    common_length,
    contiguous,
    is_column,
    is_mapping,
    is_series,
    is_single,
)
from capture.writing.dataframes import frame_parts, known_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from capture.writing.column_names import Shape, Shapes

ROW, ROWS, RAGGED, MATRIX, COLUMNS, BATCH = range(6)
_LISTS = (list, tuple)
_NESTED = (list, tuple, dict)
_DICTS = {dict}
_Raw = msgspec.Raw


class Draft(msgspec.Struct, frozen=True):
    """A block that is ready to be written: `fields` follow kind and shape in the head, `buffers` follow the head."""

    kind: int
    shape: Shape | None
    fields: tuple[Any, ...]
    buffers: tuple[Any, ...]
    rows: int


class Drafter:
    """Turns what callers pass into drafts, by the settings of one buffer.

    `feature_names` names the columns of arrays and sequences. A draft may refer to the caller's own memory; `freeze`
    gives one that does not. Threads may share a drafter: what it remembers of the last frame and the last names is one
    tuple each, taken and replaced whole.
    """

    def __init__(self, shapes: Shapes, feature_names: Sequence[str] | None = None) -> None:
        self._shapes = shapes
        self._feature_names = tuple(feature_names) if feature_names else None
        self._no_names = shapes.of(())
        self._last_frame: tuple[Any, Shape] = (None, self._no_names)
        self._last_named: tuple[tuple[str, ...], Shape] = ((), self._no_names)
        self._single = shapes.plain.of(("",))
        self._unrestricted = self if shapes.plain is shapes else Drafter(shapes.plain)

    def features(self, given: Any, names: Sequence[str] | None = None) -> Draft:
        """The draft of item-level features; TypeError or ValueError where they cannot be captured."""
        if type(given) is dict:
            return self._mapping(given, one_row=False)
        if type(given) is list and set(map(type, given)) == _DICTS:
            return self._mappings(given)
        if given is None:
            return Draft(ROWS, self._no_names, (((),),), (), 1)
        names = self._feature_names if names is None else tuple(names)
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if numpy is not None and type(given) is numpy.ndarray:
            return self._array(given, names)
        if pandas is not None and isinstance(given, pandas.DataFrame):
            return self._dataframe(given)
        array = as_array(given)
        if array is not None:
            return self._array(array, names)
        table = self._table(given)
        if table is not None:
            return table
        if is_series(given):
            labels = tuple(given.index)
            names = labels if all(isinstance(label, str) for label in labels) else names
            given = known_values(given)
        elif not isinstance(given, _LISTS):
            given = [given]
        elif not given:
            return Draft(ROWS, self._no_names, ((),), (), 0)
        rows = as_rows(given)
        if rows:
            return self._sequences(rows, names, "feature_{}")
        return self._one_sequence(given, self._named(names, len(given), "feature_{}"))

    def request(self, given: Mapping[str, Any]) -> Draft:
        """The draft of request-level features: always one row."""
        return self._mapping(given if type(given) is dict else dict(given), one_row=True)

    def predictions(self, given: Any, items: int) -> Draft:
        """The draft of predictions for `items` rows; the unnamed output is called `""`, k of them `"0"` …"""
        if type(given) is float:
            return Draft(ROW, self._single, ((given,),), (), 1)
        if type(given) is list and set(map(type, given)) == _DICTS:
            return self._unrestricted._mappings(given)
        array = as_array(given)
        if array is not None:
            if array.ndim == 2 and array.dtype.kind in "biufcmM":
                return self._matrix(array, self._plain_shape(_numbered("{}", array.shape[1])))
            if array.ndim == 1 and array.dtype.kind in "biufcmM":
                text, data = contiguous(array)
                head = (text, len(array), 1, "C", len(data))
                return Draft(MATRIX, self._single, head, (data,), len(array))
            if array.dtype.names:
                return self._unrestricted._records(array)
            given = array.tolist()
        elif isinstance(given, dict) or is_mapping(given):
            mapping = dict(given)
            return self._unrestricted._mapping(
                mapping, one_row=items == 1 and not all(map(is_single, mapping.values()))
            )
        elif is_series(given):
            return self._columns(self._single, [given], len(given))
        else:
            table = self._unrestricted._table(given)
            if table is not None:
                return table
        if not isinstance(given, _LISTS):
            return Draft(ROW, self._single, ((given,),), (), 1)
        rows = as_rows(given)
        if rows and len(set(map(len, rows))) == 1:
            shape = self._plain_shape(_numbered("{}", len(rows[0])))
            return Draft(ROWS, shape, (rows,), (), len(rows))
        return Draft(ROWS, self._single, ([(value,) for value in given],), (), len(given))

    def _plain_shape(self, names: tuple[str, ...]) -> Shape:
        """A shape of predictions' names, to which `CAPTURE_EXCLUDE` and `CAPTURE_HASH` do not apply."""
        return self._shapes.plain.of(names)

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
        if names and self._shapes.plain is not self._shapes:
            raise ValueError(
                f"{len(names)} names do not fit a row of {width} values: it cannot be told which of them "
                "CAPTURE_EXCLUDE and CAPTURE_HASH mean"
            )
        return _numbered(default, width)

    def _mapping(self, given: dict[Any, Any], one_row: bool) -> Draft:
        shape, row = self._shapes.read(given)
        if not one_row and row and type(row[0]) is not float and is_column(row[0]):
            length = common_length(row)
            if length is not None:
                return self._columns(shape, row, length)
        return Draft(ROW, shape, (self._shapes.restrict(shape, row) if shape.restricted else row,), (), 1)

    def _columns(self, shape: Shape, columns: Sequence[Any], length: int) -> Draft:
        """Columns of `shape.given`, all of one length."""
        parts: list[tuple[Any, ...]] = []
        buffers: list[Any] = []
        if shape.kept is not None:
            columns = [columns[position] for position in shape.kept]
        for position, column in enumerate(columns):
            if position in shape.hashed:
                parts.append(("l", (position,), [self._shapes.digest(value) for value in cells(column)]))
            else:
                add_column(parts, buffers, position, column)
        return Draft(COLUMNS, shape, (length, parts), tuple(buffers), length)

    def _array(self, array: Any, names: tuple[str, ...] | None) -> Draft:
        if array.dtype.names:
            return self._records(array)
        if array.ndim != 2:
            if array.ndim > 2:
                raise ValueError(f"an array of shape {array.shape} has no rows and columns")
            array = array.reshape(1, -1)
        return self._matrix(array, self._named(names, array.shape[1], "feature_{}"))

    def _records(self, array: Any) -> Draft:
        """A structured array: the fields are columns."""
        rows = array.reshape(-1)
        shape = self._shapes.of(array.dtype.names)
        return self._columns(shape, [rows[name] for name in array.dtype.names], len(rows))

    def _matrix(self, array: Any, shape: Shape) -> Draft:
        if array.dtype.kind not in "biufcmM":
            return Draft(ROWS, shape, (self._restricted(shape, array.tolist()),), (), len(array))
        if shape.restricted:
            return self._columns(shape, list(array.T), len(array))
        flags, (rows, width) = array.flags, array.shape
        order = "C" if flags.c_contiguous or not flags.f_contiguous else "F"
        text, data = contiguous(array if order == "C" else array.T)
        return Draft(MATRIX, shape, (text, rows, width, order, len(data)), (data,), rows)

    def _restricted(self, shape: Shape, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        return [self._shapes.restrict(shape, row) for row in rows] if shape.restricted else rows

    def _sequences(self, rows: Sequence[Sequence[Any]], names: tuple[str, ...] | None, default: str) -> Draft:
        width = len(rows[0])
        if set(map(len, rows)) != {width}:
            width = max(map(len, rows))
            given = names if names and len(names) >= width else self._numbered_instead(names, default, width)
            return self._mappings([dict(zip(given, row, strict=False)) for row in rows])
        shape = self._named(names, width, default)
        return Draft(ROWS, shape, (self._restricted(shape, rows),), (), len(rows))

    def _one_sequence(self, row: Sequence[Any], shape: Shape) -> Draft:
        return Draft(ROWS, shape, (self._restricted(shape, [row]),), (), 1)

    def _mappings(self, rows: Sequence[Mapping[Any, Any]]) -> Draft:
        """Mappings with the same names in any order are `ROWS`; else each row brings its own names."""
        shape, _ = self._shapes.read(rows[0])
        if set(map(len, rows)) == {shape.size}:
            try:
                taken: Sequence[Any] = list(map(shape.take, rows))
            except KeyError:
                pass
            else:
                if shape.restricted:
                    taken = self._restricted(shape, taken)
                return Draft(ROWS, shape, (taken,), (), len(rows))
        ragged = []
        for row in rows:
            own, found = self._shapes.read(row)
            ragged.append(dict(zip(own.names, self._shapes.restrict(own, found), strict=True)))
        return Draft(RAGGED, None, (ragged,), (), len(ragged))

    def _table(self, given: Any) -> Draft | None:
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

    def _dataframe(self, frame: Any) -> Draft:
        columns = frame.columns
        last, shape = self._last_frame
        if columns is not last:
            if last is None or not columns.equals(last):
                shape = self._shapes.of(tuple(columns))
            self._last_frame = (columns, shape)
        rows = len(frame)
        if shape.restricted:
            return self._restricted_frame(shape, frame, rows)
        parts, buffers = frame_parts(frame)
        if len(parts) == 1 and parts[0][0] == "m" and list(parts[0][1]) == list(range(len(shape.names))):
            head = (parts[0][2], rows, len(shape.names), "F", parts[0][3])
            return Draft(MATRIX, shape, head, tuple(buffers), rows)
        return Draft(COLUMNS, shape, (rows, parts), tuple(buffers), rows)

    def _restricted_frame(self, shape: Shape, frame: Any, rows: int) -> Draft:
        kept = range(shape.size) if shape.kept is None else shape.kept
        plain = [position for position in range(len(shape.names)) if position not in shape.hashed]
        found, buffers = frame_parts(frame.iloc[:, [kept[position] for position in plain]])
        parts = [(tag, [plain[number] for number in numbers], *rest) for tag, numbers, *rest in found]
        for position in shape.hashed:
            column = known_values(frame.iloc[:, kept[position]])
            parts.append(("l", (position,), [self._shapes.digest(value) for value in column]))
        return Draft(COLUMNS, shape, (rows, parts), tuple(buffers), rows)

    def _arrow(self, arrow: Any, given: Any) -> Draft:
        shape, rows = self._shapes.of(tuple(given.schema.names)), given.num_rows
        if not shape.names:
            return Draft(COLUMNS, shape, (rows, ()), (), rows)
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
        return Draft(BATCH, None, (data.size,), (memoryview(data).cast("B"),), rows)


def freeze(draft: Draft) -> Draft:
    """The same draft in memory of its own, safe from whoever changes the caller's objects afterwards."""
    if draft.kind <= ROWS:
        return Draft(draft.kind, draft.shape, (_Raw(values.encode(draft.fields[0])),), (), draft.rows)
    fields = tuple(_Raw(values.encode(entry)) if isinstance(entry, _NESTED) else entry for entry in draft.fields)
    buffers = tuple(bytes(buffer) for buffer in draft.buffers)
    return Draft(draft.kind, draft.shape, fields, buffers, draft.rows)


def _numbered(pattern: str, width: int) -> tuple[str, ...]:
    return tuple(pattern.format(position) for position in range(width))
