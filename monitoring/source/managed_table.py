"""Named rows as an Arrow table, with the conventions of the captured dataset.

A column has the kind that most of its values have: number (double), boolean, string, or list of numbers. A value that does not
fit is null in its cell and stands, by its column's name, as JSON in `capture_rescued_data`. Objects and other lists become
JSON text.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from capture import dataset
from monitoring.source.managed_payload import Cell

_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
_PLAIN_NUMBER, _LONG_INTEGER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$", r"^-?\d{16,}$"
_EXACT = 2**53
_TYPES = {"number": pa.float64(), "boolean": pa.bool_(), "string": pa.string(), "list": pa.list_(pa.float64())}


def table_of(
    fixed: Sequence[tuple[str, pa.Array]],
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    text: Collection[str],
    rescue: Collection[str] = (),
) -> pa.Table:
    """Returns a table of the `fixed` columns, of `columns`, and of the rescued values.

    `rows` holds a dict of values for each row of the fixed columns. Columns in `text` keep cells of CSV as strings.
    Values of the names in `rescue` have no column.
    """
    names = [name for name, _ in fixed]
    arrays = [array for _, array in fixed]
    left = frozenset(rescue)
    rescued: list[dict[str, Any]] = [
        {_valid(name): value for name, value in row.items() if name in left and value is not None} if left else {}
        for row in rows
    ]
    for name in columns:
        values = [row.get(name) for row in rows]
        names.append(_valid(name))
        array = _uniform(values, name in text)
        if array is None:
            array = _column(name, [_value(value, name in text) for value in values], rescued)
        arrays.append(array)
    names.append(dataset.RESCUED_DATA)
    arrays.append(pa.array([_json(cells) if cells else None for cells in rescued], pa.string()))
    return pa.Table.from_arrays(arrays, names=names)


def _uniform(values: list[Any], text: bool) -> pa.Array | None:
    """Returns the column of values of one kind that all fit it, None for any other: `_column` looks at each value."""
    kinds = frozenset(map(type, values)) - {type(None)}
    try:
        if kinds and kinds <= {int, float}:
            return pa.array(values, pa.float64())  # Raises for an integer that a double does not hold.
        if kinds == {bool}:
            return pa.array(values, pa.bool_())
        if kinds != {str} and kinds != {Cell}:
            return None
        array = pa.array(values, pa.string())
        if kinds == {str} or text:
            return array
        numbers = pc.match_substring_regex(array, _PLAIN_NUMBER)
        long = pc.match_substring_regex(array, _LONG_INTEGER)
        if pc.all(numbers).as_py() and not pc.any(long).as_py():
            return pc.cast(array, pa.float64())
    except (pa.ArrowInvalid, UnicodeEncodeError, OverflowError):
        pass
    return None


def _value(value: Any, text: bool) -> Any:
    """Returns a value with CSV's text read as a number or a boolean, and nested values as JSON text."""
    if isinstance(value, Cell):
        if text:
            return _valid(value)
        if _NUMBER.fullmatch(value):
            return int(value) if _WHOLE.fullmatch(value) and len(value) < 400 else float(value)
        return value == "true" if value in ("true", "false") else _valid(value)
    if isinstance(value, dict) or (isinstance(value, list) and not all(map(_fits_a_double, value))):
        return _json(value)
    return _valid(value) if isinstance(value, str) else value


def _valid(text: str) -> str:
    """Returns the text with lone surrogates, which UTF-8 does not have, as question marks."""
    return text.encode("utf-8", "replace").decode()


def _column(name: str, values: list[Any], rescued: list[dict[str, Any]]) -> pa.Array:
    kinds = [_kind(value) for value in values]
    counts = Counter(kind for kind in kinds if kind)
    kind = max(("number", "boolean", "string", "list"), key=lambda candidate: counts[candidate]) if counts else "string"
    data_type = _TYPES[kind]
    if kind == "number" and _needs_integers(values):
        data_type = pa.int64()
    cells = []
    for number, value in enumerate(values):
        fits = kinds[number] == kind and (data_type != pa.float64() or _fits_a_double(value))
        if value is not None and not fits:
            rescued[number][_valid(name)] = value
        cells.append(value if fits else None)
    if data_type == pa.float64():
        cells = [None if cell is None else float(cell) for cell in cells]
    return pa.array(cells, data_type)


def _kind(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "boolean"
    if _is_number(value):
        return "number"
    return "list" if isinstance(value, list) else "string"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits_a_double(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, float) or abs(value) <= _EXACT)


def _needs_integers(values: list[Any]) -> bool:
    """Returns True where all numbers are whole and one is larger than a double holds exactly, and all fit 64 bits."""
    numbers = [value for value in values if _is_number(value)]
    return (
        all(isinstance(value, int) and -(2**63) <= value < 2**63 for value in numbers)
        and max(map(abs, numbers), default=0) > _EXACT
    )


def _json(value: Any) -> str:
    return _valid(json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":")))


def _finite(value: Any) -> Any:
    """Returns the value with NaN and infinities as text, which JSON has no numbers for."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return value
