"""One column of an Arrow batch as what the kernel counts: numbers, texts, or values that are only counted.

No value is coerced: a text that looks like a number stays a text. Each file keeps its own types, so the same column may come
as numbers in one batch and as texts in the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.states.column import ValueKind

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Values as float64 of shape (n,), undefined where `nulls` is true (None: no null). NaN among them is missing.

    `kind` is the kind of every present value; None where whole values are INTEGRAL and others FRACTIONAL.
    """

    values: npt.NDArray[np.float64]
    nulls: Mask | None
    kind: ValueKind | None


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts by index into `dictionary` (a string array without duplicates); int64 of shape (n,), -1 for null."""

    indices: npt.NDArray[np.int64]
    dictionary: pa.Array


@dataclass(frozen=True, slots=True)
class Opaque:
    """Values that are counted and nothing else: dates, timestamps, binary data, structs."""

    rows: int
    nulls: Mask | None


Cells = Numbers | Texts | Opaque


def cells_of(column: pa.Array) -> Cells:
    """Returns the cells of a column."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        if not _is_text(kind.value_type):
            return cells_of(column.cast(kind.value_type))
        return _texts(column)
    if _is_text(kind):
        plain = column if pa.types.is_string(kind) else column.cast(pa.string())
        return _texts(plain.dictionary_encode())
    if pa.types.is_floating(kind):
        return Numbers(_floats(column), _nulls(column), None)
    if pa.types.is_boolean(kind):
        return Numbers(_floats(column.cast(pa.uint8())), _nulls(column), ValueKind.BOOLEAN)
    if pa.types.is_integer(kind):
        return Numbers(_floats(column), _nulls(column), ValueKind.INTEGRAL)
    if pa.types.is_decimal(kind):
        return Numbers(_floats(column.cast(pa.float64())), _nulls(column), None)
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return Numbers(_seconds(column), _nulls(column), ValueKind.OTHER)
    if is_list(kind):
        lengths = pc.list_value_length(column)
        return Numbers(_floats(lengths), _nulls(column), ValueKind.LIST)
    return Opaque(len(column), _nulls(column))


def is_list(kind: pa.DataType) -> bool:
    """Returns True for the types whose cells are lists."""
    return any(
        check(kind)
        for check in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_fixed_size_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _nulls(column: pa.Array) -> Mask | None:
    if not column.null_count:
        return None
    return np.asarray(column.is_null())


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    """Returns the values as float64 without a look at nulls, whose slots hold whatever the buffer does."""
    if not len(column):
        return np.zeros(0)
    kind = np.dtype(column.type.to_pandas_dtype())
    raw = column.buffers()[1]
    if raw is None:
        return np.zeros(len(column))
    values = np.frombuffer(raw, kind, len(column), column.offset * kind.itemsize)
    return values if kind == np.float64 else values.astype(np.float64)


def _seconds(column: pa.Array) -> npt.NDArray[np.float64]:
    per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
    width = pa.int32() if column.type.bit_width == 32 else pa.int64()
    return _floats(column.view(width)) / per_second


def _texts(column: pa.DictionaryArray) -> Texts:
    dictionary = (
        column.dictionary if pa.types.is_string(column.dictionary.type) else column.dictionary.cast(pa.string())
    )
    indices = column.indices
    nulls = _nulls(indices)
    found = _indices(indices)
    if dictionary.null_count:
        missing = np.asarray(dictionary.is_null())
        gone = missing.take(found, mode="clip")
        nulls = gone if nulls is None else nulls | gone
    if nulls is not None:
        found = np.where(nulls, -1, found)
    return Texts(found, dictionary)


def _indices(indices: pa.Array) -> npt.NDArray[np.int64]:
    kind = np.dtype(indices.type.to_pandas_dtype())
    raw = indices.buffers()[1]
    if raw is None or not len(indices):
        return np.zeros(len(indices), np.int64)
    return np.frombuffer(raw, kind, len(indices), indices.offset * kind.itemsize).astype(np.int64)
