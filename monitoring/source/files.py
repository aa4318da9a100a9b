"""Parquet and CSV files that are not captured data: one file, a directory, or a prefix of a bucket.

Each file keeps its own types. In CSV only the unquoted empty field is missing, and dates stay texts.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from capture.dataset import EVENT_ID, EVENT_TIME
from monitoring.errors import MonitoringError, UsageError
from monitoring.result import WindowCompleteness
from monitoring.source.part import BATCH_ROWS, PartGroup, UnreadablePart
from monitoring.source.time_column import TimeColumn
from monitoring.states.layout import FileFacts, Layout
from monitoring.storage import Storage, key_in_storage, open_storage

if TYPE_CHECKING:
    from monitoring.source.part import OpenPart
    from monitoring.window import Window

SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".csv.gz": "csv"}
COLUMN_BUFFER = 1 << 18
"""Bytes that are read ahead of each column, so that memory does not grow with the size of a row group."""
WHOLE_CSV = 256 << 20
"""A CSV file up to this size is read whole, so that types follow from all rows; of a larger one the first block decides."""


@lru_cache(maxsize=16)
def _storage(uri: str) -> Storage:
    """Returns the storage of a URI, the same for all its files: a client of S3 takes long to make."""
    return open_storage(uri)


class FilePart(msgspec.Struct, frozen=True, tag="file"):
    """One file below a storage. `time` names the time column, `needed` the columns without which the file cannot be read."""

    uri: str
    key: str
    format: str
    time: str
    size: int = 0
    needed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's key."""
        return self.key

    def fetch(self) -> OpenPart:
        """Returns the file's rows. A local Parquet file is read piece by piece, anything else at once."""
        where = f"{self.uri}/{self.key}"
        try:
            local = self.uri.startswith("file://") and self.format == "parquet"
            if local:
                source: str | io.BytesIO = f"{self.uri.removeprefix('file://')}/{self.key}"
            else:
                source = io.BytesIO(_storage(self.uri).get(self.key).body)
            opened = _OpenParquet(source, self) if self.format == "parquet" else _OpenCsv(source, self)
        except UnreadablePart:
            raise
        except (pa.ArrowException, OSError, MonitoringError) as error:
            raise UnreadablePart(f"cannot read {where}: {error}") from error
        return opened


class _OpenParquet:
    def __init__(self, source: str | io.BytesIO, part: FilePart) -> None:
        schema = pq.read_schema(source)
        _verify(part, schema.names)
        repeated = [name for name, count in Counter(schema.names).items() if count > 1]
        if repeated:
            raise UnreadablePart(f"cannot read {part.key}: two columns are called {repeated[0]!r}: rename one")
        texts = [
            field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        self._source = source
        self._file = pq.ParquetFile(source, read_dictionary=texts, pre_buffer=False, buffer_size=COLUMN_BUFFER)
        self._time = TimeColumn(part.time)
        self.facts = FileFacts()
        self.notes = self._time.notes

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows in batches."""
        try:
            for batch in self._file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                yield self._time.convert(batch.replace_schema_metadata())
        except (pa.ArrowException, OSError) as error:
            raise UnreadablePart(f"cannot read {self._source}: {error}") from error


class _OpenCsv:
    def __init__(self, source: str | io.BytesIO, part: FilePart) -> None:
        body = source if isinstance(source, io.BytesIO) else io.BytesIO()
        data: bytes = body.getvalue()
        if part.key.endswith(".gz"):
            data = pa.CompressedInputStream(pa.py_buffer(data), "gzip").read()
        self._part, self._name, self._data = part, part.key, data
        self._time = TimeColumn(part.time)
        self.facts = FileFacts()
        self.notes = self._time.notes

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows in batches."""
        try:
            for batch in self._read():
                _verify(self._part, batch.schema.names)
                yield self._time.convert(batch)
        except (pa.ArrowException, OSError) as error:
            raise UnreadablePart(f"cannot read {self._name}: {error}") from error

    def _read(self) -> Iterator[pa.RecordBatch]:
        if not self._data.strip():
            return
        options = pc_csv.ConvertOptions(
            null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False, check_utf8=True
        )
        options.column_types = self._dates_as_texts(options)
        if len(self._data) <= WHOLE_CSV:
            table = pc_csv.read_csv(pa.py_buffer(self._data), convert_options=options)
            yield from table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
            return
        reading = pc_csv.ReadOptions(block_size=16 << 20)
        yield from pc_csv.open_csv(pa.py_buffer(self._data), convert_options=options, read_options=reading)

    def _dates_as_texts(self, options: pc_csv.ConvertOptions) -> dict[str, pa.DataType]:
        """Returns the columns that the reader would take for dates or times, as texts; not the time column."""
        with pc_csv.open_csv(pa.py_buffer(self._data), convert_options=options) as reader:
            return {
                field.name: pa.string()
                for field in reader.schema
                if pa.types.is_temporal(field.type) and field.name != self._time.name
            }


class FileSource:
    """The files of a URI: a file, a directory or a prefix. `strict`: a file without the named columns cannot be read."""

    def __init__(self, uri: str, layout: Layout, *, strict: bool = False) -> None:
        self.uri = uri
        self.layout = layout
        self._strict = strict

    def groups(self, window: Window | None) -> Iterator[PartGroup]:
        """Yields a group for each file, in the order of keys. Raises UsageError where there is no file to read."""
        start, end = (window.start, window.end) if window else (None, None)
        needed = _needed(self.layout, window) if self._strict else ()
        if window and not self.layout.time:
            raise UsageError(f"a window of {self.uri} needs a time column: name it with --time-column")
        found = False
        for part in self._parts(needed):
            found = True
            yield PartGroup((part,), start=start, end=end, sizes={part.key: part.size})
        if not found:
            raise UsageError(f"there is no .parquet or .csv file under {self.uri}")

    def completeness(self, window: Window) -> WindowCompleteness:
        """Returns that the completeness is unknown: only captured data has ledgers."""
        return WindowCompleteness(None, 0, None)

    def _parts(self, needed: tuple[str, ...]) -> Iterator[FilePart]:
        storage = open_storage(self.uri)
        entries = list(storage.list())
        for entry in entries:
            parts = entry.key.split("/")
            if _format(entry.key) and not any(part.startswith((".", "_")) for part in parts):
                yield FilePart(storage.uri, entry.key, _format(entry.key), self.layout.time, entry.size, needed)
        if not entries and _format(self.uri):  # A folder may be called train.parquet: Spark writes such.
            above, name = key_in_storage(self.uri)
            if not _exists(above, name):
                raise UsageError(f"there is no file {self.uri}")
            yield FilePart(above.uri, name, _format(self.uri), self.layout.time, needed=needed)


def _needed(layout: Layout, window: Window | None) -> tuple[str, ...]:
    """Returns the columns that every file must have: those that a user has named, and the time where a window is asked for."""
    named = [name for name in (layout.event_id, layout.time) if name and name not in (EVENT_ID, EVENT_TIME)]
    return tuple(dict.fromkeys([*named, layout.time] if window else named))


def _verify(part: FilePart, names: list[str]) -> None:
    """Raises UnreadablePart where a file lacks a column that it needs."""
    for name in part.needed:
        if name not in names:
            advice = (
                "name the column of the times with --time-column" if name == EVENT_TIME else "give a name that it has"
            )
            raise UnreadablePart(f"cannot read {part.key}: it has no column {name!r}; {advice}")


def _exists(storage: Storage, key: str) -> bool:
    """Returns True if the storage has the object. A local directory is not listed: it may be a whole home."""
    if storage.uri.startswith("file://"):
        return Path(storage.uri.removeprefix("file://"), key).exists()
    return any(entry.key == key for entry in storage.list(key))


def is_file(uri: str) -> bool:
    """Returns True if the URI names one file by its suffix."""
    return bool(_format(uri))


def _format(name: str) -> str:
    """Returns the format that a name ends with; empty where it is none that can be read."""
    return next((form for suffix, form in SUFFIXES.items() if name.lower().endswith(suffix)), "")
