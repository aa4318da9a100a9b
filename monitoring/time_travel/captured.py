"""The captured rows of a window as one table. Columns that are a double in one object and an integer in another are joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from capture.reading.reader import Dataset, ReadError, SinkError
from monitoring.errors import MonitoringError

if TYPE_CHECKING:
    import datetime as dt


def read_captured(
    uri: str,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    endpoint: str | None = None,
    variant: str | None = None,
) -> pa.Table:
    """Returns the rows. Raises MonitoringError where there are none, an object cannot be read or types do not fit."""
    try:
        batches = Dataset(uri).batches(start, end, endpoint=endpoint, variant=variant)
        tables = [pa.Table.from_batches([_decoded(batch)]) for batch in batches]
    except (ReadError, SinkError) as error:
        raise MonitoringError(str(error)) from error
    if not tables:
        raise MonitoringError(f"there are no captured rows in this window below {uri}")
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise MonitoringError(f"objects below {uri} disagree about a column's type: {error}") from error


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the batch with dictionary columns as plain ones, so that objects concatenate."""
    arrays = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
