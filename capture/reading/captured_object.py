"""One captured object, read: its rows in its own types, and what its metadata says of its columns."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from capture import dataset
from capture.encoding.table import ObjectFacts
from capture.errors import CaptureError
from capture.reading.jsonl_reader import table_of_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from capture.dataset import ObjectKey

BATCH_ROWS = 65_536


class ReadError(CaptureError):
    """An object cannot be read as captured data."""


class CapturedObject:
    """One object, read.

    `request_columns` have one value for each event, `json_columns` hold nested values as JSON text, `hashed_columns`
    were captured as HMAC-SHA256, `renamed` gives the feature's own name by column. Of JSON Lines nobody knows which
    column was hashed or renamed.
    """

    def __init__(self, key: ObjectKey, body: bytes) -> None:
        """Reads the metadata of Parquet, and all of JSON Lines; ReadError or LineError where `body` is none of ours."""
        self.key = key
        self._body = body
        self._content: pa.Table | pq.ParquetFile
        if key.format == "jsonl":
            made = table_of_lines(body, key)
            self._content, facts = made.table.cast(made.logical), made.facts
            self.schema, self.rows = made.logical, int(made.table.num_rows)
        else:
            self._content = _parquet_file(key, body)
            facts = _facts(key, self._content.metadata.metadata or {})
            self.schema, self.rows = self._content.schema_arrow.remove_metadata(), int(self._content.metadata.num_rows)
        self.request_columns = tuple(facts.request)
        self.prediction_columns = tuple(facts.predictions)
        self.json_columns = tuple(facts.json)
        self.hashed_columns = tuple(facts.hashed)
        self.renamed = dict(facts.renamed)

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The columns that hold features."""
        others = {*dataset.FIXED_COLUMNS, dataset.RESCUED_DATA, *self.prediction_columns}
        return tuple(
            name
            for name in self.schema.names
            if name not in others and not name.startswith((dataset.AGE_PREFIX, dataset.MISSING_PREFIX))
        )

    def whole(self) -> bool:
        """Returns whether every row can be read, which a truncated or damaged file shows only when it is tried."""
        if isinstance(self._content, pa.Table):
            return True
        try:
            rows = sum(batch.num_rows for batch in self._content.iter_batches(batch_size=BATCH_ROWS))
        except (pa.ArrowException, OSError):
            return False
        return bool(rows == self.rows)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows, of these columns or of all."""
        wanted = None if columns is None else list(columns)
        if isinstance(self._content, pa.Table):
            return self._content if wanted is None else self._content.select(wanted)
        return self._content.read(columns=wanted).replace_schema_metadata()

    def batches(
        self, columns: Sequence[str] | None = None, rows: int = BATCH_ROWS, dictionaries: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """The rows in batches of at most `rows`. With `dictionaries` texts of Parquet stay dictionary-encoded.

        Then each text is decoded once a row group and not once a row.
        """
        if isinstance(self._content, pa.Table):
            yield from self.table(columns).to_batches(max_chunksize=rows)
            return
        wanted = None if columns is None else list(columns)
        content = self._content
        if dictionaries:
            texts = [field.name for field in self.schema if pa.types.is_string(field.type)]
            content = pq.ParquetFile(io.BytesIO(self._body), pre_buffer=False, read_dictionary=texts)
        for batch in content.iter_batches(batch_size=rows, columns=wanted):
            yield batch.replace_schema_metadata()


def _parquet_file(key: ObjectKey, body: bytes) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(io.BytesIO(body), pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise ReadError(f"{key} is no Parquet file: {error}") from error


def _facts(key: ObjectKey, metadata: dict[bytes, bytes]) -> ObjectFacts:
    if dataset.METADATA_VERSION.encode() not in metadata:
        raise ReadError(f"{key} is no captured object: its metadata has no {dataset.METADATA_VERSION}")
    version = metadata[dataset.METADATA_VERSION.encode()].decode()
    if version != str(dataset.DATASET_VERSION):
        raise ReadError(
            f"{key} is of version {version} of the dataset, and this reads {dataset.DATASET_VERSION}: upgrade"
        )

    def listed(name: str) -> list[str]:
        return list(json.loads(metadata.get(name.encode(), b"[]")))

    renamed: dict[str, Any] = json.loads(metadata.get(dataset.METADATA_RENAMED.encode(), b"{}"))
    return ObjectFacts(
        request=listed(dataset.METADATA_REQUEST),
        predictions=listed(dataset.METADATA_PREDICTIONS),
        json=listed(dataset.METADATA_JSON),
        hashed=listed(dataset.METADATA_HASHED),
        renamed=renamed,
    )
