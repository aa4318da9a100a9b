"""An object's table as a Parquet file: the same bytes for the same table, whatever else happens.

zstd at level 1; dictionaries for text, and for numbers and times whose values come back, as those of a request do in
each of its rows and those of a small set do all the time; else plain, since encodings that save more shut out readers
(docs/decisions, 0010 and 0011). Timestamps are microseconds. One row group for every batch of ordinary size, so that a
reader needs one look at the statistics. The Arrow schema is stored as a reader should see it: text is text, also where
it was written from dictionaries.
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capture import dataset

if TYPE_CHECKING:
    from capture.encoding.table import ObjectTable

_GROUP_CELLS = 16_000_000
_DICTIONARY_BYTES = 1 << 20
_MIN_ROWS = 512
"""Below them a dictionary's page takes what it saves."""
_SAMPLE = 1024
_MAX_DISTINCT = 0.75
"""Distinct values among changes, up to which a dictionary pays: 0.75 × 8 bytes for a value and 2 for an index are 8."""
_GOLDEN = (5**0.5 - 1) / 2


def encode(made: ObjectTable, writer_version: str) -> bytes:
    """The Parquet file of `made`, its key-value metadata included."""
    table = made.table
    sink = io.BytesIO()
    dictionaries, largest = _dictionaries(made)
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=dictionaries,
        dictionary_pagesize_limit=max(_DICTIONARY_BYTES, largest),
        write_statistics=True,
        store_schema=False,
    ) as writer:
        writer.write_table(table, row_group_size=max(1, _GROUP_CELLS // table.num_columns))
        writer.add_key_value_metadata(_metadata(made, writer_version))
    return sink.getvalue()


def _metadata(made: ObjectTable, writer_version: str) -> dict[str, str]:
    facts = made.facts
    return {
        dataset.METADATA_VERSION: str(dataset.DATASET_VERSION),
        dataset.METADATA_WRITER: writer_version,
        dataset.METADATA_REQUEST: json.dumps(facts.request),
        dataset.METADATA_PREDICTIONS: json.dumps(facts.predictions),
        dataset.METADATA_JSON: json.dumps(facts.json),
        dataset.METADATA_HASHED: json.dumps(facts.hashed),
        dataset.METADATA_RENAMED: json.dumps(facts.renamed),
        dataset.METADATA_EVENTS: str(made.events),
        "ARROW:schema": base64.b64encode(made.logical.serialize().to_pybytes()).decode(),
    }


def _dictionaries(made: ObjectTable) -> tuple[list[str], int]:
    """The columns that Parquet should write by dictionary, and the bytes of the largest dictionary that is there.

    A text that stands in each row of an event may be long: its dictionary must not be given up for being large.
    """
    names, largest = [], 0
    for field, column in zip(made.table.schema, made.table.columns, strict=True):
        if pa.types.is_dictionary(field.type):
            names.append(field.name)
            largest = max(largest, *(chunk.dictionary.nbytes for chunk in column.chunks), 0)
        elif pa.types.is_string(field.type) and field.name != dataset.EVENT_ID:
            names.append(field.name)
    return names + _repeating(made.table), largest


def _repeating(table: pa.Table) -> list[str]:
    """The columns of numbers and times that a dictionary makes smaller, judged by a sample of rows.

    Such a column changes often, and to values that it had before. One that changes to new values only, be it with each
    row (a score) or with each event (its time), is smaller plain, and a dictionary of it costs the writer most. A sample
    shows fewer repetitions than there are: what it misses is plain, as it would be without it.
    """
    if table.num_rows < _MIN_ROWS:
        return []
    names = [field.name for field in table.schema if _is_number_or_time(field.type)]
    sample = table.select(names).take(_sampled_rows(table.num_rows))
    return [name for name, column in zip(names, sample.columns, strict=True) if _repeats(column.drop_null())]


def _is_number_or_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind))


def _sampled_rows(total: int) -> pa.Array:
    """At most `_SAMPLE` rows in their order, spread evenly but in step with nothing that comes back every so many rows."""
    if total <= _SAMPLE:
        return pa.array(np.arange(total))
    return pa.array(np.sort((np.arange(_SAMPLE) * _GOLDEN % 1 * total).astype(np.int64)))


def _repeats(values: pa.ChunkedArray) -> bool:
    count = len(values)
    if count < 2:
        return False
    changes = pc.sum(pc.not_equal(values.slice(1), values.slice(0, count - 1))).as_py()
    return bool(pc.count_distinct(values).as_py() <= _MAX_DISTINCT * (1 + changes))
