"""One captured object, read: its rows in its own types, and what its metadata says of its columns."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from capture import dataset
from capture.errors import CaptureError
from capture.lines import table_of_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from capture.dataset import ObjectKey

BATCH_ROWS = 65_536


class ReadError(CaptureError):
    """An object cannot be read as captured data."""


class CapturedObject:
    """One object, read.

    `request_columns` have one value for each event, `json_columns` hold nested values as JSON text, `hashed_columns`
    were captured as HMAC-SHA256, `renamed` gives the feature's own name by column.
    """

    def __init__(self, key: ObjectKey, body: bytes) -> None:
        self.key = key
        self._table: pa.Table | None = None
        self._file: pq.ParquetFile | None = None
        if key.format == "jsonl":
            made = table_of_lines(body, key)
            self._table = made.table.cast(made.logical)
            self.schema, self.rows, facts = made.logical, self._table.num_rows, made.facts
            self.request_columns, self.prediction_columns = tuple(facts.request), tuple(facts.predictions)
            self.json_columns, self.hashed_columns, self.renamed = tuple(facts.json), (), dict(facts.renamed)
            return
        try:
            self._file = pq.ParquetFile(io.BytesIO(body), pre_buffer=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise ReadError(f"{key} is no Parquet file: {error}") from error
        metadata = self._file.metadata.metadata or {}
        self.schema, self.rows = self._file.schema_arrow.remove_metadata(), self._file.metadata.num_rows
        if dataset.METADATA_VERSION.encode() not in metadata:
            raise ReadError(f"{key} is no captured object: its metadata has no {dataset.METADATA_VERSION}")
        lists = {name: tuple(_listed(metadata, name)) for name in _LISTS}
        self.request_columns, self.prediction_columns, self.json_columns, self.hashed_columns = lists.values()
        self.renamed = dict(_listed(metadata, dataset.METADATA_RENAMED))

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The columns that hold features."""
        others = {*dataset.FIXED_COLUMNS, dataset.RESCUED_DATA, *self.prediction_columns}
        return tuple(
            name
            for name in self.schema.names
            if name not in others and not name.startswith((dataset.AGE_PREFIX, dataset.MISSING_PREFIX))
        )

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows, of these columns or of all."""
        if self._table is not None:
            return self._table if columns is None else self._table.select(list(columns))
        if self._file is None:
            raise ReadError(f"{self.key} has been closed")
        return self._file.read(columns=None if columns is None else list(columns)).replace_schema_metadata()

    def batches(self, columns: Sequence[str] | None = None, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows in batches of at most `rows`."""
        if self._file is None:
            yield from self.table(columns).to_batches(max_chunksize=rows)
            return
        wanted = None if columns is None else list(columns)
        for batch in self._file.iter_batches(batch_size=rows, columns=wanted):
            yield batch.replace_schema_metadata()


_LISTS = (
    dataset.METADATA_REQUEST,
    dataset.METADATA_PREDICTIONS,
    dataset.METADATA_JSON,
    dataset.METADATA_HASHED,
)


def _listed(metadata: Mapping[bytes, bytes], name: str) -> Any:
    return json.loads(metadata.get(name.encode(), b"[]"))
