"""One value in msgpack: what it becomes when it is written, and what comes back when it is read.

| given | read back as |
| --- | --- |
| None, bool, float, str, list, tuple, dict; int of 64 bits | itself (tuple as list; a key that is not plain as text) |
| int beyond 64 bits | int (extension 3: decimal text) |
| set, frozenset | list |
| bytes, bytearray, memoryview | bytes |
| Decimal | the nearest float |
| aware datetime | datetime in UTC (msgpack's timestamp, extension -1) |
| naive datetime, date, time, timedelta | text, ISO 8601 |
| UUID, Enum | text, the member's value |
| NumPy scalar | NumPy scalar of the same dtype (extension 1); float64, bool and str as Python's |
| NumPy array | NumPy array (extension 2); of text, bytes, objects, records, or masked: lists, None where masked |
| NumPy NaT | None |
| pandas Timestamp, Timedelta | as datetime, timedelta (to the microsecond); text, ISO 8601, where a Timestamp has nanoseconds |
| dataclass, pydantic model, attrs class, msgspec struct | mapping of its fields |
| pandas NaT, NA; Period, Interval | None; text |
| pandas Series, Arrow array | list |
| Arrow scalar | its Python value |
| anything else | TypeError: the record is refused and counted as `unencodable` |

Extension 1 is the dtype's text, a zero byte, the value's bytes; extension 2 is msgpack `[dtype, shape, bytes in C order]`.
A string that is not valid Unicode keeps its lone surrogates as backslash escapes.
"""

from __future__ import annotations

import datetime as dt
import sys
from enum import Enum
from typing import Any

import msgspec

_SCALAR, _ARRAY, _BIG_INT = 1, 2, 3


def _extension(value: Any) -> Any:
    """What msgspec encodes in place of a value whose type it does not know."""
    np = sys.modules.get("numpy")
    if np is not None:
        if isinstance(value, np.generic):
            return _numpy_scalar(np, value)
        if isinstance(value, np.ndarray):
            return _numpy_array(np, value)
    return _other(value)


def _numpy_scalar(np: Any, value: Any) -> Any:
    if isinstance(value, np.float64 | np.bool_ | np.str_ | np.bytes_):
        return value.item()
    if value.dtype.kind in "mM" and np.isnat(value):
        return None
    if value.dtype.hasobject or value.dtype.kind == "V":
        raise TypeError(f"a NumPy value of type {value.dtype} cannot be captured")
    return msgspec.msgpack.Ext(_SCALAR, value.dtype.str.encode() + b"\0" + value.tobytes())


def _numpy_array(np: Any, value: Any) -> Any:
    if not value.ndim and not isinstance(value, np.ma.MaskedArray):
        return value[()]
    if value.dtype.kind in "OSUV" or isinstance(value, np.ma.MaskedArray):
        return _plain(value.tolist())
    packed = (value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
    return msgspec.msgpack.Ext(_ARRAY, _encoder.encode(packed))


def _other(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        if value != value:
            return None
        if getattr(value, "nanosecond", 0):
            return value.isoformat()
        return _in_utc(value) if value.tzinfo else value.isoformat()
    if isinstance(value, dt.timedelta):
        return dt.timedelta(value.days, value.seconds, value.microseconds)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    kinds: tuple[type[Any], ...] = (str, float, int, dict, list, tuple)
    for kind in kinds:
        if isinstance(value, kind):
            return _plain(kind(value))
    name = type(value).__name__
    if name == "NAType":
        return None
    if name in ("Period", "Interval"):
        return str(value)
    named = as_named(value)
    if named is not None:
        return _plain(named)
    for method in ("as_py", "tolist", "to_pylist"):
        if hasattr(value, method):
            return _plain(getattr(value, method)())
    raise TypeError(
        f"a value of type {type(value).__module__}.{type(value).__qualname__} cannot be captured: "
        "hand over numbers, text, or an array or DataFrame of them"
    )


def as_named(value: Any) -> dict[str, Any] | None:
    """Returns the fields of a dataclass, a pydantic model, an attrs class or a msgspec struct; None for anything else."""
    kind = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__}
    if hasattr(kind, "model_fields") and hasattr(value, "model_dump"):
        return dict(value.model_dump())
    if hasattr(kind, "__struct_fields__"):
        return {name: getattr(value, name) for name in kind.__struct_fields__}
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
    return None


def _in_utc(value: dt.datetime) -> dt.datetime:
    """The same moment as a datetime of Python's own; OverflowError beyond the years 1 and 9999."""
    utc = value.astimezone(dt.UTC)
    return dt.datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, dt.UTC)


def _plain(value: Any) -> Any:
    """`value` with what msgspec itself refuses made encodable: large integers, lone surrogates, odd keys."""
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        small = -(2**63) <= value < 2**64
        return int(value) if small else msgspec.msgpack.Ext(_BIG_INT, str(int(value)).encode())
    if isinstance(value, str):
        return str(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, memoryview):
        return value.tobytes()
    return _plain(value.value) if isinstance(value, Enum) else value


def _plain_key(key: Any) -> Any:
    if key is None or isinstance(key, bool | float | bytes) or (isinstance(key, int) and -(2**63) <= key < 2**64):
        return key
    return _plain_key(key.value) if isinstance(key, Enum) else _plain(str(key))


_encoder = msgspec.msgpack.Encoder(enc_hook=_extension, decimal_format="number")
encode_plain = _encoder.encode
"""As `encode`, without the second try for what msgspec refuses: large integers, lone surrogates, odd keys."""


def encode(value: Any) -> bytes:
    """`value` as msgpack; TypeError, ValueError or RecursionError where it cannot be captured."""
    try:
        return encode_plain(value)
    except (OverflowError, TypeError, ValueError, BufferError):
        return encode_plain(_plain(value))


def _revive(code: int, data: memoryview) -> Any:
    if code == _BIG_INT:
        return int(bytes(data))
    import numpy as np

    if code == _SCALAR:
        name, _, raw = bytes(data).partition(b"\0")
        return np.frombuffer(raw, dtype=name.decode())[0]
    if code == _ARRAY:
        name, shape, raw = decode(bytes(data))
        return np.frombuffer(raw, dtype=name).reshape(shape)
    raise ValueError(f"extension {code} is not one of this format's")


_decoder = msgspec.msgpack.Decoder(ext_hook=_revive)


def decode(data: bytes | memoryview) -> Any:
    """The value that `encode` wrote; ValueError (of msgspec or ours) where `data` holds none."""
    return _decoder.decode(data)
