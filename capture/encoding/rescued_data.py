"""Rescued data: the values of an object that have no cell, row by row, as `capture_rescued_data` holds them.

A request-level value that has no cell stands in every row of its event, as it would have done in its column. Equal
texts are kept once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from capture.encoding.json_text import json_text

if TYPE_CHECKING:
    from capture.encoding.row_index import ObjectRows


class Rescue:
    """Collects values by feature name: of one row, or of all rows of an event."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[str, Any]] = {}
        self._events: dict[int, dict[str, Any]] = {}

    def of_row(self, row: int, name: str, value: Any) -> None:
        """`value` has no cell in the row of this number."""
        self._rows.setdefault(row, {})[name] = value

    def of_event(self, event: int, name: str, value: Any) -> None:
        """`value` has no cell in any row of the event of this number."""
        self._events.setdefault(event, {})[name] = value

    def column(self, rows: ObjectRows) -> pa.DictionaryArray:
        """One text or null for each row."""
        texts: dict[str, int] = {}
        indices = np.full(rows.total, -1, np.int32)
        for event, values in self._events.items():
            first, count = int(rows.starts[event]), int(rows.counts[event])
            if count:
                indices[first : first + count] = texts.setdefault(json_text(values), len(texts))
        for row, values in self._rows.items():
            whole = {**self._events.get(int(rows.event[row]), {}), **values}
            indices[row] = texts.setdefault(json_text(whole), len(texts))
        return pa.DictionaryArray.from_arrays(pa.array(indices, mask=indices < 0), pa.array(list(texts), pa.string()))
