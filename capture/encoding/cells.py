"""Cells become pieces: the values of one column, as records brought them, sorted by kind into Arrow arrays.

A *piece* is cells of one kind. Cells that are all floats, or all text, take one call; only a column in which kinds
really meet is looked at cell by cell. Nothing is converted here from one kind to another: that is `fitting.py`'s.

An integer and a float of Python or JSON are one kind, number, and *untyped*: they say nothing of the width that the
column should have. NumPy's, pandas' and Arrow's values are typed.
"""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Kind(StrEnum):
    """What a cell is; where two kinds are equally many in a column, the one that stands first here decides."""

    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    LOCAL_TIMESTAMP = "timestamp without zone"
    DATE = "date"
    TIME = "time"
    DURATION = "duration"
    LIST = "list of numbers"
    JSON = "nested"


@dataclass(slots=True)
class Piece:
    """Cells of one kind: an Arrow array, or a list of Python values that no array of their kind can hold (nested ones,
    integers over 64 bits, times finer than a microsecond).

    `positions` says which of the cells given these are, ascending; None: all of them.
    """

    kind: Kind
    values: pa.Array | list[Any]
    positions: np.ndarray[Any, Any] | None = None
    untyped: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def taken(self, positions: np.ndarray[Any, Any]) -> list[Any]:
        """The cells at these positions of the piece, as Python values."""
        if isinstance(self.values, list):
            return [self.values[position] for position in positions]
        return list(self.values.take(pa.array(positions)).to_pylist())


Pieces = list[Piece]
_NUMBERS = {int, float}
_NUMBERS_OR_NONE = {int, float, type(None)}
UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")
MICROSECONDS = pa.timestamp("us")
_EXACT = 2**53


def pieces_of_cells(cells: Sequence[Any]) -> Pieces:
    """The pieces of a list of Python and NumPy values; None, NaT and pandas' NA stand in none of them.

    Raises TypeError for a value that no record can hold.
    """
    types = set(map(type, cells))
    types.discard(type(None))
    if not types:
        return []
    if types <= _NUMBERS:
        try:
            array = pa.array(cells, pa.float64() if float in types else pa.int64())
        except (pa.ArrowInvalid, OverflowError):
            return _split(cells)
        return [Piece(Kind.NUMBER, array, untyped=True)]
    if types == {str}:
        return [Piece(Kind.STRING, pa.array(cells, pa.string()))]
    if types == {bool}:
        return [Piece(Kind.BOOLEAN, pa.array(cells, pa.bool_()))]
    if len(types) == 1 and issubclass(kind := next(iter(types)), np.generic) and np.dtype(kind).kind in "iufc":
        return _scalars_of_one_type(cells, np.dtype(kind))
    return _split(cells)


def _scalars_of_one_type(cells: Sequence[Any], dtype: np.dtype[Any]) -> Pieces:
    """NumPy numbers of one type, and None."""
    if all(cell is not None for cell in cells):
        return pieces_of_numpy(np.array(cells, dtype))
    positions = np.array([position for position, cell in enumerate(cells) if cell is not None], np.int64)
    return _at(pieces_of_numpy(np.array([cells[position] for position in positions], dtype)), positions)


def pieces_of_numpy(array: np.ndarray[Any, Any]) -> Pieces:
    """The pieces of a one-dimensional array of one dtype; the arrays own their memory if `array` does."""
    letter = array.dtype.kind
    if letter in "iu" or (letter == "f" and array.dtype.itemsize in (4, 8)):
        return [Piece(Kind.NUMBER, pa.array(_native(array)))]
    if letter == "f":
        return _other_floats(array)
    if letter == "b":
        return [Piece(Kind.BOOLEAN, pa.array(array))]
    if letter == "M":
        return _datetimes(_native(array))
    if letter == "m":
        return _in_microseconds(_native(array), Kind.DURATION, "m8[us]")
    if letter == "c":
        return [Piece(Kind.STRING, pa.array([str(value) for value in array.tolist()], pa.string()))]
    if letter in "OSU":
        return pieces_of_cells(array.tolist())
    raise TypeError(f"a NumPy array of type {array.dtype} has no place in the dataset")


def _split(cells: Sequence[Any]) -> Pieces:
    """Cells of several kinds, each looked at."""
    buckets: dict[tuple[Callable[..., Pieces], str], list[int]] = {}
    for position, cell in enumerate(cells):
        bucket = _bucket(cell)
        if bucket is not None:
            buckets.setdefault(bucket, []).append(position)
    found: Pieces = []
    for (make, _), positions in buckets.items():
        found += _at(make([cells[position] for position in positions]), np.array(positions, np.int64))
    return found


def _at(pieces: Pieces, positions: np.ndarray[Any, Any]) -> Pieces:
    """The same pieces, of cells that stand at `positions` of a longer list."""
    for piece in pieces:
        piece.positions = positions if piece.positions is None else positions[piece.positions]
    return pieces


def _bucket(cell: Any) -> tuple[Callable[..., Pieces], str] | None:
    """What makes pieces of cells like this one, and what they must have in common; None for a missing cell."""
    kind = type(cell)
    simple = _BUCKETS.get(kind)
    if simple is not None:
        return simple
    if cell is None:
        return None
    if kind is int:
        if -(2**63) <= cell < 2**63:
            return _integers, "int64"
        return (_integers, "uint64") if 0 <= cell < 2**64 else (_never(Kind.NUMBER), "")
    if isinstance(cell, list | tuple):
        types = set(map(type, cell))
        if types <= _NUMBERS_OR_NONE:
            return _number_lists, ""
        return _list_bucket(types)
    if isinstance(cell, np.ndarray):
        if cell.ndim == 1 and cell.dtype.kind == "f" and cell.dtype.itemsize == 2:
            return _half_arrays, ""
        flat = cell.ndim == 1 and (cell.dtype.kind in "iu" or cell.dtype.str[1:] in ("f4", "f8"))
        return (_number_arrays, cell.dtype.str) if flat else (_nested, "")
    if isinstance(cell, np.generic):
        return _numpy_scalars, cell.dtype.str
    if type(cell).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(cell, dt.datetime):
        return (_aware, "") if cell.tzinfo else (_naive, "")
    raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} has no place in the dataset")


def _list_bucket(types: set[type]) -> tuple[Callable[..., Pieces], str]:
    """The bucket of a list that has not only Python's numbers: NumPy's numbers of one type make an array."""
    rest = types - _NUMBERS_OR_NONE
    if not all(issubclass(kind, np.number) and not issubclass(kind, np.complexfloating) for kind in rest):
        return _nested, ""
    if len(types) == 1 and np.dtype(next(iter(rest))).itemsize <= 8:
        dtype = np.dtype(next(iter(rest)))
        return (_arrays_of_scalars, dtype.str) if dtype.str[1:] != "f2" else (_half_arrays, "scalars")
    return _mixed_number_lists, ""


def _arrays_of_scalars(cells: list[Any]) -> Pieces:
    return _number_arrays([np.array(cell) for cell in cells])


def _mixed_number_lists(cells: list[Any]) -> Pieces:
    return _number_lists(
        [
            [float(n) if isinstance(n, np.floating) else int(n) if isinstance(n, np.integer) else n for n in cell]
            for cell in cells
        ]
    )


def _half_arrays(cells: list[Any]) -> Pieces:
    return _number_arrays([np.asarray(cell, np.float32) for cell in cells])


def _integers(cells: list[Any]) -> Pieces:
    return [Piece(Kind.NUMBER, pa.array(cells, pa.int64() if min(cells) < 2**63 else pa.uint64()), untyped=True)]


def _floats(cells: list[Any]) -> Pieces:
    return [Piece(Kind.NUMBER, pa.array(cells, pa.float64()), untyped=True)]


def _texts(cells: list[Any]) -> Pieces:
    return [Piece(Kind.STRING, pa.array([str(cell) for cell in cells], pa.string()))]


def _bytes(cells: list[Any]) -> Pieces:
    return [Piece(Kind.STRING, pa.array([base64.b64encode(cell).decode() for cell in cells], pa.string()))]


def _array_of(kind: Kind, arrow: pa.DataType) -> tuple[Callable[..., Pieces], str]:
    return lambda cells: [Piece(kind, pa.array(cells, arrow))], ""


def _aware(cells: list[Any]) -> Pieces:
    return [Piece(Kind.TIMESTAMP, pa.array(cells, UTC_MICROSECONDS))]


def _naive(cells: list[Any]) -> Pieces:
    return [Piece(Kind.LOCAL_TIMESTAMP, pa.array(cells, MICROSECONDS))]


def _nested(cells: list[Any]) -> Pieces:
    return [Piece(Kind.JSON, cells)]


def _never(kind: Kind) -> Callable[..., Pieces]:
    return _NEVER[kind]


def _number_lists(cells: list[Any]) -> Pieces:
    try:
        return [Piece(Kind.LIST, pa.array(cells, pa.list_(pa.float64())), untyped=True)]
    except (pa.ArrowInvalid, OverflowError):
        large = np.array([any(type(n) is int and abs(n) > _EXACT for n in cell) for cell in cells])
    exact = [cell for cell, big in zip(cells, large, strict=True) if not big]
    rest = [cell for cell, big in zip(cells, large, strict=True) if big]
    return [
        *_at(_number_lists(exact) if exact else [], np.flatnonzero(~large)),
        *_at([Piece(Kind.LIST, rest)], np.flatnonzero(large)),
    ]


def _number_arrays(cells: list[Any]) -> Pieces:
    offsets = np.zeros(len(cells) + 1, np.int32)
    np.cumsum([len(cell) for cell in cells], out=offsets[1:])
    return [Piece(Kind.LIST, pa.ListArray.from_arrays(pa.array(offsets), pa.array(_native(np.concatenate(cells)))))]


def _numpy_scalars(cells: list[Any]) -> Pieces:
    return pieces_of_numpy(np.array(cells, cells[0].dtype))


_NEVER: dict[Kind, Callable[..., Pieces]] = {kind: (lambda cells, kind=kind: [Piece(kind, cells)]) for kind in Kind}
_BUCKETS: dict[type, tuple[Callable[..., Pieces], str]] = {
    float: (_floats, ""),
    str: (_texts, ""),
    bool: _array_of(Kind.BOOLEAN, pa.bool_()),
    bytes: (_bytes, ""),
    dict: (_nested, ""),
    Decimal: (_texts, ""),
    complex: (_texts, ""),
    dt.date: _array_of(Kind.DATE, pa.date32()),
    dt.time: _array_of(Kind.TIME, pa.time64("us")),
    dt.timedelta: _array_of(Kind.DURATION, pa.duration("us")),
}


def _native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in this machine's byte order, contiguous."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _other_floats(array: np.ndarray[Any, Any]) -> Pieces:
    """Half floats become floats; of extended precision only what a double holds exactly."""
    if array.dtype.itemsize == 2:
        return [Piece(Kind.NUMBER, pa.array(array.astype(np.float32)))]
    with np.errstate(over="ignore"):
        double = array.astype(np.float64)
    exact = (double == array) | np.isnan(array)
    if exact.all():
        return [Piece(Kind.NUMBER, pa.array(double))]
    return [
        Piece(Kind.NUMBER, pa.array(double[exact]), np.flatnonzero(exact)),
        Piece(Kind.NUMBER, [str(value) for value in array[~exact]], np.flatnonzero(~exact)),
    ]


def _datetimes(array: np.ndarray[Any, Any]) -> Pieces:
    if np.datetime_data(array.dtype)[0] in ("D", "W", "M", "Y"):
        days = array.astype("M8[D]").view(np.int64)
        missing = np.isnat(array)
        days32 = np.where(missing, 0, days).astype(np.int32)
        return [Piece(Kind.DATE, pa.array(days32, mask=missing).cast(pa.date32()))]
    return _in_microseconds(array, Kind.LOCAL_TIMESTAMP, "M8[us]")


def _in_microseconds(array: np.ndarray[Any, Any], kind: Kind, unit: str) -> Pieces:
    """Times as microseconds; those that are finer, or beyond their range, stay text."""
    if unit[0] == "m" and np.datetime_data(array.dtype)[0] in ("Y", "M"):
        known = ~np.isnat(array)
        return [Piece(kind, [str(value) for value in array[known]], np.flatnonzero(known))]
    rounded = array.astype(unit)
    exact = (rounded.astype(array.dtype) == array) | np.isnat(array)
    if exact.all():
        return [Piece(kind, pa.array(rounded))]
    return [
        Piece(kind, pa.array(rounded[exact]), np.flatnonzero(exact)),
        Piece(kind, [str(value) for value in array[~exact]], np.flatnonzero(~exact)),
    ]
