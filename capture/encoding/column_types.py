"""One column, one type: which one its pieces decide on, and each piece in that type.

Without `[types]` the kind of most cells decides (a NaN has no vote, nor has an empty list; at a tie the kind that
stands first in `Kind`). Within a kind nothing is lost: integers of several widths become the narrowest that holds
them all, numbers that are untyped or of both sorts doubles, decimals the narrowest decimal.

A cell *fits* a type when the type can say the same value: 1.0 fits `int64`, 1.5 does not, no text fits a number, an
integer fits a double up to 2**53, and a float where it is exact. Two things are none of that: a float column holds the
float nearest to a fraction (out of range does not fit), and NaN, which many writers use for a missing value, is null
wherever the type knows no NaN.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capture.encoding.cells import MICROSECONDS, UTC_MICROSECONDS, Kind, Piece
from capture.encoding.json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_EXACT = 1 << 53
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's kind and its Arrow type; nested values stand in a string column as JSON text."""

    kind: Kind
    arrow: pa.DataType


@dataclass(slots=True)
class Fitted:
    """A piece in its column's type, and the positions within the piece of the cells that did not fit and are null."""

    array: pa.Array
    misfits: Sequence[int]


_NAMED = {
    "bool": ColumnType(Kind.BOOLEAN, pa.bool_()),
    "string": ColumnType(Kind.STRING, pa.string()),
    "json": ColumnType(Kind.JSON, pa.string()),
    "date32[day]": ColumnType(Kind.DATE, pa.date32()),
    "time64[us]": ColumnType(Kind.TIME, pa.time64("us")),
    "timestamp[us]": ColumnType(Kind.LOCAL_TIMESTAMP, MICROSECONDS),
    "timestamp[us, tz=UTC]": ColumnType(Kind.TIMESTAMP, UTC_MICROSECONDS),
    "duration[us]": ColumnType(Kind.DURATION, pa.duration("us")),
}
_FIXED = {column.kind: column for column in _NAMED.values()}


def named_type(name: str) -> ColumnType:
    """The column's type for a name that `dataset.column_type` gave."""
    if name in _NAMED:
        return _NAMED[name]
    if found := re.fullmatch(r"decimal128\((\d+), (\d+)\)", name):
        return ColumnType(Kind.NUMBER, pa.decimal128(int(found[1]), int(found[2])))
    if found := re.fullmatch(r"list<(\w+)>", name):
        return ColumnType(Kind.LIST, pa.list_(pa.type_for_alias(found[1])))
    return ColumnType(Kind.NUMBER, pa.type_for_alias(name))


def decided_type(pieces: Iterable[Piece]) -> ColumnType | None:
    """The type that the pieces of a column decide on; None where they hold no value."""
    by_kind: dict[Kind, list[Piece]] = {}
    for piece in pieces:
        by_kind.setdefault(piece.kind, []).append(piece)
    if not by_kind:
        return None
    kinds = sorted(by_kind, key=list(Kind).index)
    winner = kinds[0] if len(kinds) == 1 else max(kinds, key=lambda kind: sum(map(_votes, by_kind[kind])))
    if winner is Kind.NUMBER:
        return ColumnType(winner, _common_number(by_kind[winner]))
    if winner is Kind.LIST:
        return ColumnType(winner, pa.list_(_common_element(by_kind[winner])))
    return _FIXED[winner]


def fit(piece: Piece, column: ColumnType) -> Fitted:
    """The piece's cells in the column's type."""
    values, kind = piece.values, piece.kind
    if column.kind is Kind.JSON and kind in (Kind.JSON, Kind.LIST):
        cells = values if isinstance(values, list) else values.to_pylist()
        return Fitted(pa.array([None if cell is None else json_text(cell) for cell in cells], pa.string()), ())
    if isinstance(values, list):
        return Fitted(pa.nulls(len(values), column.arrow), range(len(values)))
    if kind is not column.kind:
        missing = _missing(values) if kind is Kind.NUMBER else np.asarray(values.is_null())
        return Fitted(pa.nulls(len(values), column.arrow), np.flatnonzero(~missing).tolist())
    if values.type.equals(column.arrow):
        return Fitted(values, ())
    if kind is Kind.NUMBER:
        array, misfits = _fit_numbers(values, column.arrow)
        return Fitted(array, np.flatnonzero(misfits).tolist())
    return _fit_lists(values, column.arrow.value_type)


def _votes(piece: Piece) -> int:
    """How many values a piece holds, NaN and empty lists left out."""
    if isinstance(piece.values, list):
        return len(piece.values)
    if piece.kind is Kind.NUMBER:
        return len(piece) - int(np.count_nonzero(_missing(piece.values)))
    if piece.kind is Kind.LIST:
        return int(pc.sum(pc.greater(pc.list_value_length(piece.values), 0)).as_py() or 0)
    return len(piece) - int(piece.values.null_count)


def _missing(numbers: pa.Array) -> Mask:
    nan_is_null = pa.types.is_floating(numbers.type)
    return np.asarray(pc.is_null(numbers, nan_is_null=nan_is_null))


def _common_number(pieces: Sequence[Piece]) -> pa.DataType:
    """The type that holds the numbers of all pieces: see the head of this module."""
    arrays = [(piece.untyped, piece.values) for piece in pieces if not isinstance(piece.values, list)]
    return _widest({pa.float64() if untyped else array.type for untyped, array in arrays})


def _common_element(pieces: Sequence[Piece]) -> pa.DataType:
    lists = [(piece.untyped, piece.values) for piece in pieces if not isinstance(piece.values, list)]
    filled = [entry for entry in lists if len(entry[1].flatten())] or lists
    return _widest({pa.float64() if untyped else array.type.value_type for untyped, array in filled})


def _widest(types: set[pa.DataType]) -> pa.DataType:
    if len(types) == 1:
        return next(iter(types))
    if types and all(map(pa.types.is_decimal, types)):
        scale = max(kind.scale for kind in types)
        digits = max(kind.precision - kind.scale for kind in types)
        return pa.decimal128(min(38, digits + scale), scale)
    if types and all(map(pa.types.is_integer, types)):
        signed = max((kind.bit_width for kind in types if pa.types.is_signed_integer(kind)), default=0)
        unsigned = max((kind.bit_width for kind in types if not pa.types.is_signed_integer(kind)), default=0)
        if not signed:
            return pa.type_for_alias(f"uint{unsigned}")
        return pa.type_for_alias(f"int{min(64, max(signed, 2 * unsigned))}")
    return pa.float64()


def _fit_numbers(numbers: pa.Array, target: pa.DataType) -> tuple[pa.Array, Mask]:
    if pa.types.is_decimal(numbers.type) or pa.types.is_decimal(target):
        return _fit_decimals(numbers, target)
    null = np.asarray(numbers.is_null())
    values = np.asarray(numbers.fill_null(0) if numbers.null_count else numbers)
    wanted = np.dtype(target.to_pandas_dtype())
    if wanted.kind == "f":
        out, misfits = _to_floats(values, wanted)
    else:
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
        out, misfits = _to_integers(values, wanted, missing)
        null |= missing
    misfits &= ~null
    return pa.array(out, target, mask=null | misfits), misfits


def _to_floats(values: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> tuple[np.ndarray[Any, Any], Mask]:
    with np.errstate(over="ignore"):
        out = values.astype(wanted)
    if values.dtype.kind == "f":
        inexact = (out != values) & (np.trunc(values) == values) & (np.abs(values) <= _EXACT)
        return out, inexact | (np.isinf(out) & ~np.isinf(values))
    most = _EXACT if wanted.itemsize == 8 else 1 << 24
    return out, _beyond(values, -most, most)


def _to_integers(
    values: np.ndarray[Any, Any], wanted: np.dtype[Any], missing: Mask
) -> tuple[np.ndarray[Any, Any], Mask]:
    low, high = int(np.iinfo(wanted).min), int(np.iinfo(wanted).max)
    if values.dtype.kind != "f":
        misfits = _beyond(values, low, high)
    else:
        whole = np.trunc(values) == values
        misfits = ~missing & ~(whole & (values >= float(low)) & (values < float(high + 1)))
    return np.where(misfits | missing, 0, values).astype(wanted), misfits


def _beyond(integers: np.ndarray[Any, Any], low: int, high: int) -> Mask:
    """Which integers lie outside low..high, compared within their own type."""
    limits = np.iinfo(integers.dtype)
    below = integers < max(low, int(limits.min)) if low > limits.min else np.zeros(len(integers), bool)
    above = integers > min(high, int(limits.max)) if high < limits.max else np.zeros(len(integers), bool)
    return np.asarray(below | above)


def _fit_decimals(numbers: pa.Array, target: pa.DataType) -> tuple[pa.Array, Mask]:
    """Numbers of which one side is decimal, value by value; a float counts as the shortest decimal that names it."""
    out: list[Any] = []
    misfits = np.zeros(len(numbers), bool)
    for position, value in enumerate(numbers.to_pylist()):
        fitted = None if value is None or value != value else _as_number(value, target)
        misfits[position] = fitted is None and value is not None and value == value
        out.append(fitted)
    return pa.array(out, target), misfits


def _as_number(value: Any, target: pa.DataType) -> Any:
    """`value` as the target's number; None where it does not fit."""
    try:
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if not pa.types.is_decimal(target):
            array, misfits = _fit_numbers(pa.array([float(exact)]), target)
            back = array[0].as_py()
            return back if not misfits[0] and Decimal(repr(back)) == exact else None
        _, digits, exponent = exact.normalize().as_tuple()
        if not isinstance(exponent, int) or -exponent > target.scale:
            return None
        return exact if len(digits) + exponent <= target.precision - target.scale or not exact else None
    except (InvalidOperation, OverflowError, ValueError):
        return None


def _fit_lists(lists: pa.Array, element: pa.DataType) -> Fitted:
    """Lists whose every number fits; a list with one that does not is null as a whole."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    null = np.asarray(lists.is_null())
    flat = lists.flatten()
    numbers, misfit = (flat, np.zeros(len(flat), bool)) if flat.type.equals(element) else _fit_numbers(flat, element)
    if not pa.types.is_floating(element) and pa.types.is_floating(flat.type):
        misfit |= np.asarray(pc.fill_null(pc.is_nan(flat), False))
    owner = np.repeat(np.arange(len(lists)), lengths)
    refused = np.bincount(owner[misfit], minlength=len(lists)) > 0
    kept = numbers.filter(pa.array(~refused[owner])) if refused.any() else numbers
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(np.where(refused, 0, lengths), out=offsets[1:])
    array = pa.ListArray.from_arrays(pa.array(offsets), kept, mask=pa.array(null | refused))
    return Fitted(array, np.flatnonzero(refused).tolist())
