"""Blocks unfolded into Python rows, for what is written row by row: JSON Lines, and predictions without rows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from capture.record import ArrowBlock, Block, Columns, Event, Matrix, Ragged, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAT = -(2**63)
Row = tuple[tuple[str, ...], tuple[Any, ...]]


def unfold(block: Block) -> Iterator[Row]:
    """The names and the values of each row; arrays of numbers come as Python's numbers, missing values as None."""
    if isinstance(block, Rows):
        return ((block.names, row) for row in block.rows)
    if isinstance(block, Ragged):
        return ((tuple(row), tuple(row.values())) for row in block.rows)
    if isinstance(block, Matrix):
        return ((block.names, tuple(row)) for row in cells(block.array))
    if isinstance(block, ArrowBlock):
        block = Columns(tuple(block.batch.schema.names), block.batch.columns, block.batch.num_rows)
    if not block.names:
        return iter([((), ())] * block.length)
    columns = [cells(column) for column in block.columns]
    return ((block.names, row) for row in zip(*columns, strict=True))


def cells(column: Any) -> list[Any]:
    """A column, or a matrix, as Python values."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return _arrow_cells(column)
    if not isinstance(column, np.ndarray):
        return list(column)
    if column.dtype.kind == "f" and column.dtype.itemsize > 8:
        column = column.astype(np.float64)
    return _times(column) if column.dtype.kind in "mM" else list(column.tolist())


def _times(column: np.ndarray[Any, Any]) -> list[Any]:
    """Times as Python's; as NumPy's text where Python's are too coarse or do not reach so far."""
    unit = np.datetime_data(column.dtype)[0]
    if unit in ("generic", "Y", "M") and column.dtype.kind == "m":
        return [None if np.isnat(value) else str(value) for value in column]
    coarse = column
    if column.dtype.kind == "m" or unit in ("ns", "ps", "fs", "as"):
        coarse = column.astype(f"{column.dtype.kind}8[us]")
    exact = ((coarse.astype(column.dtype) == column) | np.isnat(column)).tolist()
    return [
        value if fits and type(value) is not int else str(original)
        for value, fits, original in zip(coarse.tolist(), exact, column, strict=True)
    ]


def _arrow_cells(column: Any) -> list[Any]:
    kind = column.type
    zoned = pa.types.is_timestamp(kind) and kind.tz is not None
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_date64(kind):
        unit, letter = getattr(kind, "unit", "ms"), "m" if pa.types.is_duration(kind) else "M"
        ticks = np.asarray(column.cast(pa.int64()).fill_null(_NAT), np.int64)
        values = _times(ticks.view(f"{letter}8[{unit}]"))
        return [_in_utc(value) for value in values] if zoned else values
    if pa.types.is_time(kind) and kind.unit == "ns":
        ticks = column.cast(pa.int64()).to_pylist()
        return [None if tick is None else str(np.datetime64(tick, "ns"))[11:] for tick in ticks]
    if pa.types.is_dictionary(kind) and pa.types.is_string_view(kind.value_type):
        column = column.dictionary.cast(pa.string()).take(column.indices)
    return list(column.to_pylist())


def _in_utc(value: Any) -> Any:
    if isinstance(value, str):
        return f"{value}Z"
    return value if value is None else value.replace(tzinfo=dt.UTC)


def items_of(event: Event) -> Block:
    """The event's items; undecided columns with one prediction only are one row whose values are lists."""
    items = event.items
    if isinstance(items, Columns) and items.undecided and items.length != 1 and len(event.predictions) == 1:
        return Rows(items.names, [tuple(map(_listed, items.columns))])
    return items


def by_output(predictions: Block) -> dict[str, list[Any]]:
    """The values of each output, row after row; a row that lacks an output that others have has None there."""
    rows = [dict(zip(names, values, strict=True)) for names, values in unfold(predictions)]
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def _listed(column: Any) -> Any:
    return cells(column) if isinstance(column, pa.Array) else column
