"""The records of a feature group in the offline store, as one Arrow table.

Feature Store writes Parquet below `data/`, by hour of event time (Glue) or as Iceberg data files; both are read the same way:
every Parquet file below the source. A compaction of an Iceberg table leaves copies of a record behind; equal copies change
no answer. Rows that an Iceberg position delete names (`DELETE` in Athena) are left out. Besides the features, records carry
`api_invocation_time`, `write_time` and `is_deleted`.

Without `api_invocation_time` no one can know when a record reached the online store; such a source is refused.
"""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitoring.errors import MonitoringError
from monitoring.storage import StorageError, open_storage

if TYPE_CHECKING:
    from monitoring.time_travel.groups import OfflineGroup

API_TIME = "api_invocation_time"
WRITE_TIME = "write_time"
DELETED = "is_deleted"
_AHEAD = 4
_POSITION_DELETE = {"file_path", "pos"}
_TIME = pa.timestamp("us", tz="UTC")


def read_records(group: OfflineGroup) -> pa.Table:
    """Returns the group's records.

    Columns: `record_id` string, `event_time`, `api_time`, `write_time` timestamp[us, UTC], `deleted` bool, the features under their
    names in the store, and `serial`, the record's number. Raises MonitoringError where there is no record file, a column is missing or a time cannot
    be read.
    """
    storage = open_storage(group.source)
    keys = [entry.key for entry in storage.list() if entry.key.endswith(".parquet")]
    if not keys:
        raise MonitoringError(f"group {group.name}: there is no Parquet file below {group.source}")

    def read(key: str) -> pa.Table:
        try:
            content = pq.ParquetFile(io.BytesIO(storage.get(key).body))
            if set(content.schema_arrow.names) >= _POSITION_DELETE:
                return content.read(columns=sorted(_POSITION_DELETE))
            return _records(group, content, f"{group.source}/{key}")
        except (pa.ArrowInvalid, StorageError) as error:
            raise MonitoringError(f"group {group.name}: cannot read {group.source}/{key}: {error}") from error

    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="offline-store") as pool:
        files = dict(zip(keys, pool.map(read, keys), strict=True))
    tables = _without_deleted(files)
    if not tables:
        raise MonitoringError(f"group {group.name}: there is no record below {group.source}, only Iceberg deletes")
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
        return table.append_column("serial", pa.array(range(table.num_rows), pa.int64()))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise MonitoringError(f"group {group.name}: its files disagree about a column's type: {error}") from error


def _without_deleted(files: dict[str, pa.Table]) -> list[pa.Table]:
    """Returns the tables of records without the rows that position deletes name.

    A delete names the data file by its whole URI, and rows by their place in it (Apache Iceberg, table spec, "Position delete files").
    """
    deletes = {key for key, table in files.items() if set(table.column_names) == _POSITION_DELETE}
    places: dict[str, set[int]] = {}
    for key in deletes:
        columns = (files[key][name].to_pylist() for name in ("file_path", "pos"))
        for path, place in zip(*columns, strict=True):
            places.setdefault(path.rpartition("/")[2], set()).add(place)
    found = []
    for key, table in files.items():
        gone = places.get(key.rpartition("/")[2], set())
        if key in deletes:
            continue
        if gone:
            table = table.take(pa.array([row for row in range(table.num_rows) if row not in gone], pa.int64()))
        found.append(table)
    return found


def _records(group: OfflineGroup, content: pq.ParquetFile, where: str) -> pa.Table:
    names = content.schema_arrow.names
    if API_TIME not in names:
        raise MonitoringError(
            f"group {group.name}: {where} has no column {API_TIME}, so when a record reached the online store is unknown; "
            "give the offline store's own files, not a table made from them"
        )
    missing = [name for name in (group.record_id, group.event_time, *group.features) if name not in names]
    if missing:
        raise MonitoringError(f"group {group.name}: {where} has no column {missing[0]!r}; it has {', '.join(names)}")
    wanted = {group.record_id, group.event_time, API_TIME, WRITE_TIME, DELETED, *group.features} & set(names)
    table = content.read(columns=sorted(wanted))
    api_time = _times(table[API_TIME], group, API_TIME, where)
    columns = {
        "record_id": pc.cast(table[group.record_id], pa.string()),
        "event_time": _times(table[group.event_time], group, group.event_time, where),
        "api_time": api_time,
        "write_time": _times(table[WRITE_TIME], group, WRITE_TIME, where) if WRITE_TIME in wanted else api_time,
        "deleted": pc.fill_null(table[DELETED].cast(pa.bool_()), False)
        if DELETED in wanted
        else pa.array([False] * table.num_rows, pa.bool_()),
    }
    return pa.table(columns | {name: table[name] for name in group.features})


def _times(values: pa.ChunkedArray, group: OfflineGroup, name: str, where: str) -> pa.ChunkedArray:
    """Returns times in UTC: timestamps as they are, text as ISO 8601, numbers as seconds since 1970."""
    kind = values.type
    try:
        if pa.types.is_timestamp(kind):
            return values.cast(pa.timestamp("us", kind.tz)).cast(_TIME) if kind.tz else _naive_as_utc(values)
        if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
            microseconds = pc.round(pc.multiply(values.cast(pa.float64()), 1e6)).cast(pa.int64())
            return microseconds.cast(pa.timestamp("us")).cast(_TIME)
        return values.cast(pa.string()).cast(_TIME)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise MonitoringError(
            f"group {group.name}: {where}: a time in {name!r} cannot be read ({error}); "
            "times are ISO 8601 text such as 2026-01-31T08:00:00Z, seconds since 1970, or timestamps"
        ) from error


def _naive_as_utc(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.timestamp("us")).cast(_TIME)
