"""Tables in memory as a source: pandas, Polars and Arrow.

A pandas column of mixed objects has no Arrow type. It becomes what captured data would hold: the kind of most of its values,
and the others, by name, as JSON in `capture_rescued_data`, where the type check counts them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from capture import dataset
from monitoring.errors import UsageError
from monitoring.result import WindowCompleteness
from monitoring.source.part import BATCH_ROWS, PartGroup
from monitoring.source.time_column import TimeColumn
from monitoring.states.layout import FileFacts, Layout

if TYPE_CHECKING:
    from monitoring.window import Window


@dataclass(frozen=True)
class TablePart:
    """A table. Its rows without an event id are named by their position."""

    table: pa.Table
    time: str
    name: str = "table"

    @property
    def size(self) -> int:
        """Bytes of the table."""
        return int(self.table.nbytes)

    def fetch(self) -> _OpenTable:
        """Returns the table."""
        return _OpenTable(self.table, TimeColumn(self.time))


@dataclass
class _OpenTable:
    table: pa.Table
    time: TimeColumn
    facts: FileFacts = field(default_factory=FileFacts)

    @property
    def notes(self) -> set[str]:
        """What a reader of the report must see."""
        return self.time.notes

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows in batches."""
        for batch in self.table.to_batches(max_chunksize=BATCH_ROWS):
            yield self.time.convert(batch)


class TableSource:
    """A table in memory."""

    uri = "a table in memory"

    def __init__(self, data: Any, layout: Layout) -> None:
        self.layout = layout
        self._table = arrow_table(data)

    def groups(self, window: Window | None) -> Iterator[PartGroup]:
        """Yields the one group."""
        start, end = (window.start, window.end) if window else (None, None)
        if window and self.layout.time not in self._table.column_names:
            raise UsageError(f"a window of a table needs its time column: there is no column {self.layout.time!r}")
        yield PartGroup((TablePart(self._table, self.layout.time),), start=start, end=end)

    def completeness(self, window: Window) -> WindowCompleteness:
        """Returns that the completeness is unknown."""
        return WindowCompleteness(None, 0, None)


def is_table(data: Any) -> bool:
    """Returns True for what `arrow_table` takes."""
    return isinstance(data, pa.Table | pa.RecordBatch) or type(data).__module__.partition(".")[0] in (
        "pandas",
        "polars",
    )


def arrow_table(data: Any) -> pa.Table:
    """Returns a pandas or Polars DataFrame, an Arrow table or a RecordBatch as an Arrow table.

    Raises UsageError for anything else, and where two columns have one name.
    """
    if isinstance(data, pa.RecordBatch):
        table = pa.Table.from_batches([data])
    elif isinstance(data, pa.Table):
        table = data
    elif type(data).__module__.startswith("polars"):
        frame = data.collect() if hasattr(data, "collect") else data
        table = frame.to_arrow()
    elif type(data).__module__.startswith("pandas"):
        table = _from_pandas(data)
    else:
        raise UsageError(
            f"{type(data).__name__} is not data: give a path, an S3 URI, a pandas or Polars DataFrame, or an Arrow table"
        )
    repeated = [name for name, count in Counter(table.column_names).items() if count > 1]
    if repeated:
        raise UsageError(f"two columns are called {repeated[0]!r}: rename one")
    return table.replace_schema_metadata()


def _from_pandas(frame: Any) -> pa.Table:
    names = [str(name) for name in frame.columns]
    columns: list[pa.Array] = []
    rescued: list[dict[str, Any] | None] = [None] * len(frame)
    for position, name in enumerate(names):
        values = frame.iloc[:, position]
        try:
            columns.append(pa.Array.from_pandas(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            columns.append(_mixed(values.tolist(), name, rescued))
    columns = [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in columns]
    if any(rescued) and dataset.RESCUED_DATA not in names:
        texts = [None if cells is None else msgspec.json.encode(cells, enc_hook=str).decode() for cells in rescued]
        names.append(dataset.RESCUED_DATA)
        columns.append(pa.array(texts, pa.string()))
    return pa.table(columns, names=names)


_KINDS: dict[type, pa.DataType] = {bool: pa.bool_(), float: pa.float64(), str: pa.string()}


def _mixed(values: list[Any], name: str, rescued: list[dict[str, Any] | None]) -> pa.Array:
    """Returns the values of the most frequent kind; the others are put into `rescued`."""
    kinds = [_kind(value) for value in values]
    present = Counter(kind for kind in kinds if kind is not None)
    chosen = max((kind for kind in present if kind in _KINDS), key=present.__getitem__, default=str)
    kept = []
    for row, (kind, value) in enumerate(zip(kinds, values, strict=True)):
        fits = kind is chosen and not (chosen is float and isinstance(value, int) and abs(value) > 2**53)
        kept.append(value if fits else None)
        if kind is not None and not fits:
            cells = rescued[row] or {}
            cells[name] = value.isoformat() if isinstance(value, dt.date) else value
            rescued[row] = cells
    if chosen is float:
        kept = [None if value is None else float(value) for value in kept]
    return pa.array(kept, _KINDS[chosen])


def _kind(value: Any) -> type | None:
    """Returns the kind of a value: bool, float for all numbers, str, another type; None where it is missing."""
    if value is None or value != value:
        return None
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return float
    return str if isinstance(value, str) else type(value)
