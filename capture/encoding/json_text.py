"""JSON text of any value that a record can hold, for nested cells and for `capture_rescued_data`.

JSON has no numbers for NaN and the infinities: they are the strings "NaN", "Infinity" and "-Infinity", as in
protobuf's JSON. Bytes are base64, times ISO 8601, a decimal its text; an integer keeps all its digits.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np


def json_text(value: Any) -> str:
    """`value` as JSON without spaces; TypeError for what no record can hold."""
    try:
        return _strict(value)
    except (TypeError, ValueError):
        return _strict(_lenient(value))


def plain(value: Any) -> Any:
    """What stands in JSON for a value that Python's encoder does not know."""
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind == "f" and value.dtype.itemsize > 8:
            return value.astype(np.float64).tolist()
        return value.tolist() if value.dtype.kind in "biufOSU" else value.astype(str).tolist()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return f"PT{value // dt.timedelta(microseconds=1) / 1_000_000}S"
    if isinstance(value, Decimal | complex | UUID):
        return str(value)
    raise TypeError(f"a value of type {type(value).__qualname__} has no place in the dataset")


def _lenient(value: Any) -> Any:
    """The same without what JSON refuses: NaN and the infinities, and keys that are no text or number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else json.dumps(value)
    if isinstance(value, dict):
        return {_key(key): _lenient(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lenient(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _lenient(plain(value))
    return value


def _key(key: Any) -> Any:
    if isinstance(key, bytes):
        return plain(key)
    return key if isinstance(key, str | int) or key is None else str(key)


_strict = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=plain).encode
