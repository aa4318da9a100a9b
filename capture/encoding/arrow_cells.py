"""Arrow arrays become pieces: every Arrow type in its place among the kinds of `cells.py`."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capture.encoding.cells import MICROSECONDS, UTC_MICROSECONDS, Kind, Piece, Pieces, pieces_of_cells

_DAY = 86_400_000
_MAX_MICROSECONDS = 2**63 - 1
_MICROSECONDS_IN = {"s": 1_000_000, "ms": 1000, "us": 1}


def pieces_of_arrow(array: pa.Array) -> Pieces:
    """The pieces of an Arrow array."""
    kind = array.type
    if pa.types.is_null(kind):
        return []
    if pa.types.is_dictionary(kind):
        return pieces_of_arrow(decoded(array))
    if pa.types.is_run_end_encoded(kind):
        return pieces_of_arrow(pc.run_end_decode(array))
    if isinstance(array, pa.ExtensionArray):
        if kind.extension_name == "arrow.uuid":
            return pieces_of_cells(
                [None if cell is None else str(UUID(bytes=cell)) for cell in array.storage.to_pylist()]
            )
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


def decoded(array: pa.DictionaryArray) -> pa.Array:
    """A dictionary array's values; Arrow has no kernel that takes from views."""
    if pa.types.is_string_view(array.type.value_type):
        return array.dictionary.cast(pa.string()).take(array.indices)
    return array.dictionary_decode()


def _is_number(kind: pa.DataType) -> bool:
    """Whether cells of this Arrow type are numbers here."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _simple_arrow(array: pa.Array) -> Piece | None:
    """Arrow types that have their place here as they are, or by a cast that loses nothing."""
    kind = array.type
    if pa.types.is_float16(kind):
        return Piece(Kind.NUMBER, array.cast(pa.float32()))
    if _is_number(kind):
        if pa.types.is_decimal(kind) and not pa.types.is_decimal128(kind):
            return (
                Piece(Kind.NUMBER, array.cast(pa.decimal128(kind.precision, kind.scale)))
                if kind.precision <= 38
                else None
            )
        return Piece(Kind.NUMBER, array)
    if pa.types.is_boolean(kind):
        return Piece(Kind.BOOLEAN, array)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return Piece(Kind.STRING, array.cast(pa.string()))
    if pa.types.is_date32(kind):
        return Piece(Kind.DATE, array)
    if pa.types.is_date64(kind):
        days = pc.divide(array.cast(pa.int64()), _DAY)
        if pc.all(pc.equal(pc.multiply(days, _DAY), array.cast(pa.int64()))).as_py() is not False:
            return Piece(Kind.DATE, days.cast(pa.int32()).cast(pa.date32()))
        return Piece(Kind.LOCAL_TIMESTAMP, array.cast(pa.timestamp("ms")).cast(MICROSECONDS))
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
    unit = array.type.unit
    if unit == "ns":
        fine = pc.fill_null(pc.not_equal(pc.multiply(pc.divide(ticks, 1000), 1000), ticks), False)
    else:
        fine = pc.fill_null(pc.greater(pc.abs_checked(ticks), _MAX_MICROSECONDS // _MICROSECONDS_IN[unit]), False)
    mask = np.asarray(fine)
    texts = [_time_text(tick, array.type) + "Z" * zoned for tick in ticks.filter(fine).to_pylist()]
    return [
        Piece(kind, array.filter(pc.invert(fine)).cast(target), np.flatnonzero(~mask)),
        Piece(kind, texts, np.flatnonzero(mask)),
    ]


def _time_text(tick: int, kind: pa.DataType) -> str:
    if pa.types.is_duration(kind):
        return str(np.timedelta64(tick, kind.unit))
    text = str(np.datetime64(tick, kind.unit))
    return text[11:] if pa.types.is_time(kind) else text


def _arrow_nested(array: pa.Array) -> Pieces:
    kind = array.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if listed and (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)):
        element = pa.float32() if pa.types.is_float16(kind.value_type) else kind.value_type
        return [Piece(Kind.LIST, array.cast(pa.list_(element)))]
    valid = np.asarray(array.is_valid())
    cells = array.drop_null().to_pylist()
    return [Piece(Kind.JSON, cells, np.flatnonzero(valid))]
