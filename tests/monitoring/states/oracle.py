"""What the kernel must find, computed row by row in plain Python: slow and simple."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitoring.states.binning import ColumnBinning, ColumnKind
from monitoring.states.column import ValueKind


@dataclass
class Row:
    """One row: its event, the number of its item, its time in microseconds, and its cells by column."""

    event: str
    item: int
    time: int
    cells: dict[str, Any]


def kind_of(value: Any) -> ValueKind:
    """Returns the kind of a present value."""
    if isinstance(value, bool):
        return ValueKind.BOOLEAN
    if isinstance(value, int):
        return ValueKind.INTEGRAL
    if isinstance(value, float):
        return ValueKind.INTEGRAL if value.is_integer() else ValueKind.FRACTIONAL
    return ValueKind.LIST if isinstance(value, list) else ValueKind.STRING


def is_missing(value: Any) -> bool:
    """Returns True for null and NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def fine_bin(value: Any, binning: ColumnBinning) -> int:
    """Returns the fine bin of a value."""
    if is_missing(value):
        return binning.fine
    if binning.kind is ColumnKind.NUMERIC and isinstance(value, int | float):
        return sum(1 for edge in binning.edges if value > edge)
    if binning.kind is ColumnKind.LIST and isinstance(value, list):
        return sum(1 for edge in binning.edges if len(value) > edge)
    if binning.kind is ColumnKind.CATEGORICAL and isinstance(value, str):
        return binning.domain.index(value) if value in binning.domain else len(binning.domain)
    return binning.fine


def fine_counts(rows: list[Row], binning: ColumnBinning) -> list[int]:
    """Returns the counts by fine bin, the missing values last."""
    counts = Counter(fine_bin(row.cells.get(binning.name), binning) for row in counted(rows, binning))
    return [counts[index] for index in range(binning.fine + 1)]


def counted(rows: list[Row], binning: ColumnBinning) -> list[Row]:
    """Returns the rows that count: all, or the first of each event."""
    return [row for row in rows if row.item == 0] if binning.request_level else rows


def by_unit(rows: list[Row], binning: ColumnBinning, unit: Any) -> dict[Any, list[int]]:
    """Returns the counts of coarse bins by unit."""
    found: dict[Any, list[int]] = defaultdict(lambda: [0] * binning.coarse)
    for row in counted(rows, binning):
        found[unit(row)][int(binning.coarse_of_fine[fine_bin(row.cells.get(binning.name), binning)])] += 1
    return dict(found)


def numbers(rows: list[Row], binning: ColumnBinning) -> list[float]:
    """Returns the finite numbers of a column."""
    values = [row.cells.get(binning.name) for row in counted(rows, binning)]
    return [
        float(value)
        for value in values
        if isinstance(value, int | float) and not is_missing(value) and math.isfinite(value)
    ]


def clipped_sums(rows: list[Row], binning: ColumnBinning) -> list[float]:
    """Returns the sums of values by fine bin, clipped to the outer edges."""
    sums = [0.0] * binning.fine
    for row in counted(rows, binning):
        value: Any = row.cells.get(binning.name)
        index = fine_bin(value, binning)
        if index < binning.fine and len(binning.edges):
            sums[index] += float(np.clip(float(value or 0.0), binning.edges[0], binning.edges[-1]))
    return sums
