"""Rescued cells: values that had no cell in their column, as JSON by feature name in `capture_rescued_data`."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.states.column import ValueKind
from monitoring.states.events import as_texts

Indices = npt.NDArray[np.int64]


def rescued_cells(column: pa.Array | None) -> dict[str, list[tuple[ValueKind, Indices]]]:
    """Returns by feature name the kinds of the rescued values, each with the rows that hold it.

    A text that is not a JSON object rescues nothing.
    """
    if column is None or column.null_count == len(column):
        return {}
    texts = column if pa.types.is_dictionary(column.type) else as_texts(column).dictionary_encode()
    indices = np.asarray(texts.indices.fill_null(len(texts.dictionary))).astype(np.int64)
    order = np.argsort(indices, kind="stable")
    bounds = np.searchsorted(indices[order], np.arange(len(texts.dictionary) + 1))
    found: dict[str, list[tuple[ValueKind, Indices]]] = {}
    for number, text in enumerate(texts.dictionary.to_pylist()):
        rows = order[bounds[number] : bounds[number + 1]]
        if not len(rows) or text is None:
            continue
        for name, value in _values(text).items():
            kind = kind_of(value)
            if kind is not None:
                found.setdefault(name, []).append((kind, rows))
    return found


def kind_of(value: Any) -> ValueKind | None:
    """Returns the kind of a JSON value; None for null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return ValueKind.BOOLEAN
    if isinstance(value, int):
        return ValueKind.INTEGRAL
    if isinstance(value, float):
        return ValueKind.INTEGRAL if value.is_integer() else ValueKind.FRACTIONAL
    if isinstance(value, str):
        return ValueKind.STRING
    return ValueKind.LIST if isinstance(value, list) else ValueKind.OTHER


def _values(text: str) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {}
    return values if isinstance(values, dict) else {}
