"""What lies in S3, read with boto3 and PyArrow alone: the check must not rest on the code that it checks."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.s3_server import S3Server

Row = dict[str, Any]


@dataclass(frozen=True)
class CapturedObject:
    """One Parquet object; `rows` lack the columns that the object lacks."""

    key: str
    metadata: pq.FileMetaData
    table: pa.Table

    @property
    def types(self) -> dict[str, pa.DataType]:
        return {field.name: field.type for field in self.table.schema}

    @property
    def rows(self) -> list[Row]:
        rows: list[Row] = self.table.to_pylist()
        return rows

    def listed(self, name: str) -> list[str]:
        """A list of columns in the object's key-value metadata."""
        names: list[str] = json.loads(self.metadata.metadata[name.encode()])
        return names


def captured_objects(server: S3Server, bucket: str) -> list[CapturedObject]:
    """Every Parquet object of the bucket."""
    client = server.client()
    found = []
    for key in server.keys(bucket):
        if key.endswith(".parquet"):
            file = pq.ParquetFile(io.BytesIO(client.get_object(Bucket=bucket, Key=key)["Body"].read()))
            found.append(CapturedObject(key, file.metadata, file.read()))
    return found


def rows_by_event(objects: Iterable[CapturedObject]) -> dict[str, list[Row]]:
    """All rows by event id, ordered by item."""
    events: defaultdict[str, list[Row]] = defaultdict(list)
    for captured in objects:
        for row in captured.rows:
            events[row["capture_event_id"]].append(row)
    return {event: sorted(rows, key=lambda row: row["capture_item_index"]) for event, rows in events.items()}


def rescued(row: Row) -> Row:
    """What a row's columns could not hold, by feature name."""
    text = row["capture_rescued_data"]
    values: Row = {} if text is None else json.loads(text)
    return values


def found_again(row: Row, name: str) -> Any:
    """A feature's value, from its own column or from what was rescued; a nested one as it was."""
    value = row.get(name)
    if value is None:
        return rescued(row).get(name)
    return value
