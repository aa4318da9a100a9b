"""Arrow arrays become pieces: every Arrow type in its place among the kinds of `cells.py`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capture.encoding.cells import MICROSECONDS, UTC_MICROSECONDS, Kind, Piece, Pieces, pieces_of_cells


def pieces_of_arrow(array: pa.Array) -> Pieces:
    """The pieces of an Arrow array."""
    kind = array.type
    if pa.types.is_null(kind):
        return []
    for layers in (pa.types.is_dictionary, pa.types.is_run_end_encoded):
        if layers(kind):
            return pieces_of_arrow(pc.cast(array, kind.value_type))
    if isinstance(array, pa.ExtensionArray):
        return pieces_of_arrow(array.storage)
    simple = _simple_arrow(array)
    if simple is not None:
        return [simple]
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
        return _arrow_times(array)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pieces_of_cells(array.to_pylist())
    if pa.types.is_nested(kind):
        return _arrow_nested(array)
    return pieces_of_cells(array.to_pylist())


def _is_number(kind: pa.DataType) -> bool:
    """Whether cells of this Arrow type are numbers here."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _simple_arrow(array: pa.Array) -> Piece | None:
    """Arrow types that have their place here as they are, or by a cast that loses nothing."""
    kind = array.type
    if pa.types.is_float16(kind):
        return Piece(Kind.NUMBER, array.cast(pa.float32()))
    if _is_number(kind):
        narrow = pa.types.is_decimal(kind) and not pa.types.is_decimal128(kind)
        return None if narrow else Piece(Kind.NUMBER, array)
    if pa.types.is_boolean(kind):
        return Piece(Kind.BOOLEAN, array)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return Piece(Kind.STRING, array.cast(pa.string()))
    if pa.types.is_date(kind):
        return Piece(Kind.DATE, array.cast(pa.date32()))
    return None


def _arrow_times(array: pa.Array) -> Pieces:
    """Arrow's timestamps, times and durations in microseconds; those that are finer stay text."""
    zoned = pa.types.is_timestamp(array.type) and array.type.tz is not None
    if pa.types.is_timestamp(array.type):
        kind, target = (Kind.TIMESTAMP, UTC_MICROSECONDS) if zoned else (Kind.LOCAL_TIMESTAMP, MICROSECONDS)
    elif pa.types.is_time(array.type):
        kind, target = Kind.TIME, pa.time64("us")
    else:
        kind, target = Kind.DURATION, pa.duration("us")
    try:
        return [Piece(kind, array.cast(target))]
    except pa.ArrowInvalid:
        ticks = array.cast(pa.int64())
    fine = pc.fill_null(pc.not_equal(pc.multiply(pc.divide(ticks, 1000), 1000), ticks), False)
    if array.type.unit != "ns":
        raise TypeError(f"a column of type {array.type} holds times that microseconds cannot count")
    mask = np.asarray(fine)
    texts = [str(np.datetime64(tick, "ns") if zoned else tick) + "Z" * zoned for tick in ticks.filter(fine).to_pylist()]
    return [
        Piece(kind, array.filter(pc.invert(fine)).cast(target), np.flatnonzero(~mask)),
        Piece(kind, texts, np.flatnonzero(mask)),
    ]


def _arrow_nested(array: pa.Array) -> Pieces:
    kind = array.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if listed and (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)):
        element = pa.float32() if pa.types.is_float16(kind.value_type) else kind.value_type
        return [Piece(Kind.LIST, array.cast(pa.list_(element)))]
    valid = np.asarray(array.is_valid())
    cells = array.drop_null().to_pylist()
    return [Piece(Kind.JSON, cells, np.flatnonzero(valid))]
