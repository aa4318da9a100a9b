"""Captured rows as one table: `capture.read`.

Objects may differ in their columns and types. The table has the union of their columns. Where types differ, integers and
floats meet in a double, dictionaries and text in text, and everything else in the JSON text of the values.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from capture import dataset
from capture.encoding.json_text import json_text
from capture.reading.reader import Dataset, ReadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Time = dt.datetime | str | None


class CapturedRows:
    """Rows of a window, read when they are asked for. Iterating yields Arrow record batches of one schema.

    `schema` comes from the objects' footers alone. DuckDB and Polars take it lazily: `duckdb.sql("SELECT … FROM rows")`
    through `rows.reader()`, `polars.from_arrow(rows.table())` or `rows.to_polars()`.
    """

    def __init__(self, captured: Dataset, window: dict[str, Any], columns: Sequence[str] | None) -> None:
        self._captured = captured
        self._window = window
        self._columns = None if columns is None else list(columns)
        self._schema: pa.Schema | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns of all objects of the window. Raises ReadError where an object cannot be read."""
        if self._schema is None:
            keys = [found.key for found in self._captured.objects(**self._window)]
            parquet = [key for key in keys if key.format == "parquet"]
            schemas = [*self._captured.schemas(parquet)]
            schemas += [self._captured.open(key).schema for key in keys if key.format != "parquet"]
            self._schema = _united(schemas, self._columns)
        return self._schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        schema = self.schema
        for batch in self._captured.batches(**self._window):
            yield _as(batch, schema)

    def reader(self) -> pa.RecordBatchReader:
        """Returns a reader of the batches, for tools that take Arrow's streams (DuckDB, Polars, pandas)."""
        return pa.RecordBatchReader.from_batches(self.schema, iter(self))

    def table(self) -> pa.Table:
        """Returns all rows as one Arrow table."""
        return self.reader().read_all()

    def to_pandas(self, **options: Any) -> Any:
        """Returns all rows as a pandas DataFrame; `options` are those of `pyarrow.Table.to_pandas`."""
        return self.table().to_pandas(**options)

    def to_polars(self) -> Any:
        """Returns all rows as a Polars DataFrame."""
        import polars

        return polars.from_arrow(self.table())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hands the rows to whatever takes Arrow's C stream, without reading them before it asks."""
        return self.reader().__arrow_c_stream__(requested_schema)


def read(
    uri: str,
    *,
    start: Time = None,
    end: Time = None,
    endpoint: str | None = None,
    variant: str | None = None,
    columns: Sequence[str] | None = None,
) -> CapturedRows:
    """Reads captured rows: those whose event time lies in [start, end).

    `uri` is `s3://bucket/prefix`, `file:///directory` or a directory's path. Times are aware datetimes, or ISO 8601 text
    (UTC where it names no zone); None leaves the window open. Nothing is read before rows are asked for. Raises
    `SinkError` where the place cannot be read, and `ReadError` where an object is damaged or a time is none.

    >>> import capture
    >>> rows = capture.read("s3://bucket/prefix", start="2026-03-01", end="2026-03-02")   # doctest: +SKIP
    >>> rows.to_pandas()                                                                   # doctest: +SKIP
    """
    window = {"start": _time(start), "end": _time(end), "endpoint": endpoint, "variant": variant}
    return CapturedRows(Dataset(uri), window, columns)


def _time(given: Time) -> dt.datetime | None:
    if isinstance(given, str):
        try:
            return dataset.parse_time(given)
        except ValueError:
            raise ReadError(f"{given!r} is not a time: give ISO 8601, as 2026-03-01T09:00") from None
    if given is not None and given.tzinfo is None:
        return given.replace(tzinfo=dt.UTC)
    return given


def _united(schemas: Sequence[pa.Schema], columns: Sequence[str] | None) -> pa.Schema:
    kinds: dict[str, list[pa.DataType]] = {}
    for schema in schemas:
        for field in schema:
            known = kinds.setdefault(field.name, [])
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            if kind not in known:
                known.append(kind)
    last = kinds.pop(dataset.RESCUED_DATA, None)
    if last is not None:
        kinds[dataset.RESCUED_DATA] = last
    names = list(kinds) if columns is None else columns
    for name in names:
        if name not in kinds:
            raise ReadError(f"there is no column {name!r} in this window; there are {', '.join(kinds) or 'none'}")
    return pa.schema([(name, _common(kinds[name])) for name in names])


def _common(kinds: Sequence[pa.DataType]) -> pa.DataType:
    if len(kinds) == 1:
        return kinds[0]
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        return pa.int64() if all(map(_fits_int64, kinds)) else pa.float64()
    return pa.string()


def _fits_int64(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) and kind != pa.uint64())


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for field in schema:
        position = batch.schema.get_field_index(field.name)
        arrays.append(
            pa.nulls(batch.num_rows, field.type) if position < 0 else _cast(batch.column(position), field.type)
        )
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type.equals(kind):
        return array
    if pa.types.is_dictionary(array.type):
        return _cast(array.dictionary_decode(), kind)
    if pa.types.is_string(kind) and not pa.types.is_string(array.type):
        return pa.array([None if cell is None else json_text(cell) for cell in array.to_pylist()], kind)
    return array.cast(kind, safe=False)
