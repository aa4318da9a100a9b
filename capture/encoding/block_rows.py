"""Blocks unfolded into Python rows, for what is written row by row: JSON Lines, and predictions without rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from capture.record import Batch, Block, Columns, Event, Matrix, Ragged, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = tuple[tuple[str, ...], tuple[Any, ...]]


def unfold(block: Block) -> Iterator[Row]:
    """The names and the values of each row; arrays of numbers come as Python's numbers, missing values as None."""
    if isinstance(block, Rows):
        return ((block.names, row) for row in block.rows)
    if isinstance(block, Ragged):
        return ((tuple(row), tuple(row.values())) for row in block.rows)
    if isinstance(block, Matrix):
        return ((block.names, tuple(row)) for row in cells(block.array))
    if isinstance(block, Batch):
        block = Columns(tuple(block.batch.schema.names), block.batch.columns, block.batch.num_rows)
    if not block.names:
        return iter([((), ())] * block.length)
    columns = [cells(column) for column in block.columns]
    return ((block.names, row) for row in zip(*columns, strict=True))


def cells(column: Any) -> list[Any]:
    """A column, or a matrix, as Python values."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return list(column.to_pylist())
    if not isinstance(column, np.ndarray):
        return list(column)
    if column.dtype.kind == "M" and np.datetime_data(column.dtype)[0] == "ns":
        column = column.astype("M8[us]")
    if column.dtype.kind == "m":
        column = column.astype("m8[us]")
    return list(column.tolist())


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
    return column.to_pylist() if isinstance(column, pa.Array) else column
