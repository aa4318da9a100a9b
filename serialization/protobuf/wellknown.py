"""Google's well-known message types as the values they stand for, both ways.

| message | value |
| --- | --- |
| `Timestamp` | text, RFC 3339 in UTC with all its nanoseconds: `2013-07-01T05:00:00Z` |
| `Duration` | seconds as a float (exact to the nanosecond below 104 days) |
| `DoubleValue` … `BytesValue` | the wrapped value (bytes as base64 text) |
| `Struct`, `Value`, `ListValue` | dict, any JSON value, list |
| `FieldMask` | its paths, joined with commas |

`Any` and `Empty` are read as ordinary messages: `{"type_url": …, "value": base64}` and `{}`.
"""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Any

_PREFIX = "google.protobuf."
_MIN_SECONDS = -62_135_596_800  # 0001-01-01T00:00:00Z
_MAX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z
_MAX_DURATION = 315_576_000_000
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _timestamp(message: Any) -> str:
    seconds, nanos = message.seconds, message.nanos
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS or not 0 <= nanos < 1_000_000_000:
        raise ValueError(f"Timestamp of {seconds} seconds and {nanos} nanos is outside the years 1 to 9999")
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if not nanos:
        return text + "Z"
    fraction = f"{nanos:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{text}.{fraction}Z"


def _duration(message: Any) -> float:
    seconds, nanos = message.seconds, message.nanos
    if abs(seconds) > _MAX_DURATION or abs(nanos) >= 1_000_000_000 or seconds * nanos < 0:
        raise ValueError(f"Duration of {seconds} seconds and {nanos} nanos is out of range or of two signs")
    return float((seconds * 1_000_000_000 + nanos) / 1_000_000_000)


def _struct(message: Any) -> dict[str, object]:
    return {key: _value(message.fields[key]) for key in sorted(message.fields)}


def _value(message: Any) -> object:
    kind = message.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "struct_value":
        return _struct(message.struct_value)
    if kind == "list_value":
        return _list(message.list_value)
    return getattr(message, kind)


def _list(message: Any) -> list[object]:
    return [_value(item) for item in message.values]


def _wrapped(message: Any) -> object:
    return message.value


def _wrapped_bytes(message: Any) -> str:
    return base64.b64encode(message.value).decode("ascii")


def _paths(message: Any) -> str:
    return ",".join(message.paths)


READERS: dict[str, Callable[[Any], object]] = {
    _PREFIX + "Timestamp": _timestamp,
    _PREFIX + "Duration": _duration,
    _PREFIX + "Struct": _struct,
    _PREFIX + "Value": _value,
    _PREFIX + "ListValue": _list,
    _PREFIX + "FieldMask": _paths,
    _PREFIX + "BytesValue": _wrapped_bytes,
    **{
        f"{_PREFIX}{kind}Value": _wrapped
        for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String")
    },
}

ARROW_TYPES: dict[str, str] = {
    _PREFIX + "Timestamp": "string",
    _PREFIX + "Duration": "double",
    _PREFIX + "FieldMask": "string",
    _PREFIX + "DoubleValue": "double",
    _PREFIX + "FloatValue": "float",
    _PREFIX + "Int64Value": "int64",
    _PREFIX + "UInt64Value": "uint64",
    _PREFIX + "Int32Value": "int32",
    _PREFIX + "UInt32Value": "uint32",
    _PREFIX + "BoolValue": "bool",
    _PREFIX + "StringValue": "string",
    _PREFIX + "BytesValue": "string",
}


def _write_timestamp(message: Any, value: object) -> None:
    seconds, nanos = _instant(value)
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
        raise ValueError("it is outside the years 1 to 9999")
    message.seconds, message.nanos = seconds, nanos


def _instant(value: object) -> tuple[int, int]:
    """Seconds since 1970 and nanoseconds of a time in any of its forms."""
    if isinstance(value, str):
        return _parse_rfc3339(value)
    if isinstance(value, datetime):
        span = (value if value.tzinfo is not None else value.replace(tzinfo=UTC)) - _EPOCH
        return span.days * 86_400 + span.seconds, span.microseconds * 1_000
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _split(value)
    raise ValueError(f"{type(value).__name__} is no time; give RFC 3339 text, a datetime or seconds since 1970")


def _parse_rfc3339(text: str) -> tuple[int, int]:
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no RFC 3339 time, like 2013-07-01T05:00:00Z")
    zone = (found[4] or "Z").upper().replace("Z", "+00:00")
    span = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00:00'}{zone}") - _EPOCH
    return span.days * 86_400 + span.seconds, int((found[3] or "").ljust(9, "0"))


def _split(seconds: float) -> tuple[int, int]:
    """Whole seconds, towards minus infinity, and nanoseconds from there."""
    return divmod(round(seconds * 1_000_000_000), 1_000_000_000)


def _write_duration(message: Any, value: object) -> None:
    if isinstance(value, timedelta):
        nanos = (value.days * 86_400 + value.seconds) * 1_000_000_000 + value.microseconds * 1_000
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        nanos = round(value * 1_000_000_000)
    else:
        raise ValueError(f"{type(value).__name__} is no duration; give seconds or a timedelta")
    sign = -1 if nanos < 0 else 1
    seconds, rest = divmod(abs(nanos), 1_000_000_000)
    if seconds > _MAX_DURATION:
        raise ValueError(f"{value} seconds is beyond what a Duration holds")
    message.seconds, message.nanos = sign * seconds, sign * rest


def _write_struct(message: Any, value: object) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__} is no mapping, which a Struct is")
    message.SetInParent()
    for key, item in value.items():
        _write_value(message.fields[key], item)


def _write_value(message: Any, value: object) -> None:
    if value is None:
        message.null_value = 0
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, (int, float)):
        message.number_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, dict):
        message.struct_value.SetInParent()
        _write_struct(message.struct_value, value)
    elif isinstance(value, list):
        message.list_value.SetInParent()
        _write_list(message.list_value, value)
    else:
        raise ValueError(f"{type(value).__name__} is no JSON value")


def _write_list(message: Any, value: object) -> None:
    if not isinstance(value, list):
        raise ValueError(f"{type(value).__name__} is no list, which a ListValue is")
    message.SetInParent()
    for item in value:
        _write_value(message.values.add(), item)


def _write_wrapped(message: Any, value: object) -> None:
    message.value = value


def _write_wrapped_integer(message: Any, value: object) -> None:
    message.value = as_integer(value)


def _write_wrapped_float(message: Any, value: object) -> None:
    message.value = as_float(value)


def _write_wrapped_bytes(message: Any, value: object) -> None:
    message.value = as_bytes(value)


def _write_paths(message: Any, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} is no text of paths joined with commas")
    message.paths.extend(path for path in value.split(",") if path)


def as_bytes(value: object) -> bytes:
    """What a bytes field takes: bytes, or text in base64. ValueError for anything else."""
    if isinstance(value, str):
        return base64.b64decode(value, validate=True)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise ValueError(f"{type(value).__name__} is neither bytes nor base64 text")


def as_integer(value: object) -> object:
    """Returns what an integer field takes: an integral float or decimal, or a bool, as an integer, anything else as it is."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    return value


_PAST_FLOAT = 2.0**128 - 2.0**103
"""From here on the nearest float is infinity."""


def is_past_float(value: object) -> bool:
    """Returns whether a finite number would become infinity in a field of type float."""
    return type(value) is float and _PAST_FLOAT <= abs(value) < inf


def as_float(value: object) -> object:
    """Returns what a float field takes. Raises ValueError for a finite number past a float's range."""
    number = float(value) if isinstance(value, Decimal | int) else value
    if is_past_float(number):
        raise ValueError("it is past the range of a float: make the field a double")
    return number


WRITERS: dict[str, Callable[[Any, object], None]] = {
    _PREFIX + "Timestamp": _write_timestamp,
    _PREFIX + "Duration": _write_duration,
    _PREFIX + "Struct": _write_struct,
    _PREFIX + "Value": _write_value,
    _PREFIX + "ListValue": _write_list,
    _PREFIX + "FieldMask": _write_paths,
    _PREFIX + "BytesValue": _write_wrapped_bytes,
    **{f"{_PREFIX}{kind}Value": _write_wrapped for kind in ("Double", "Bool", "String")},
    f"{_PREFIX}FloatValue": _write_wrapped_float,
    **{f"{_PREFIX}{kind}Value": _write_wrapped_integer for kind in ("Int64", "UInt64", "Int32", "UInt32")},
}
