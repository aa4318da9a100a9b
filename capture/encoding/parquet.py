"""An object's table as a Parquet file: the same bytes for the same table, whatever else happens.

zstd at level 1; dictionaries for text only, where they pay in bytes and in time; floats plain, since byte stream split
would save 3 to 7 % of the bytes and shut out Spark before 4.3 (docs/decisions). Timestamps are microseconds. One row
group for every batch of ordinary size, so that a reader needs one look at the statistics. The Arrow schema is stored as
a reader should see it: text is text, also where it was written from dictionaries.
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from capture import dataset

if TYPE_CHECKING:
    from capture.encoding.table import ObjectTable

_GROUP_CELLS = 16_000_000
_DICTIONARY_BYTES = 1 << 20


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
    return names, largest
