"""Backfill: logs of the managed service that hold only ids, plus an offline store, become a captured dataset.

Each object of the managed service becomes one Parquet object under the same key, with the columns of the captured dataset,
version 1: the request's values, the rebuilt features, the predictions, and for each group the age of the oldest record and the
number of ids that the store lacked. No ledger is written: nothing proves that the managed service captured every request, so
readers say "completeness unknown".
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capture import dataset
from monitoring.errors import MonitoringError, UsageError
from monitoring.source.managed import ManagedReader, ObjectOrigin
from monitoring.time_travel.as_known import LookupResult

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from monitoring.storage import Storage
    from monitoring.time_travel.rebuild import OfflineHistory, Rebuilt

WRITER = "endpoint-capture backfill"
JOIN_ROWS = 200_000
"""Rows of logs that are joined with the histories at once: each join sorts a whole history."""
CONTENT_TYPE = dataset.CONTENT_TYPES["parquet"]


@dataclass(frozen=True, slots=True)
class Model:
    """What the managed logs do not say: the model that answered, and the sampling of the capture in percent."""

    name: str = "model"
    version: str | None = None
    sampling_percentage: float = 100.0


@dataclass(slots=True)
class Backfilled:
    """What was written. `found` counts look-ups by group and by what they found."""

    objects: int = 0
    rows: int = 0
    found: dict[str, dict[str, int]] = field(default_factory=dict)


def backfill(
    logs: Storage,
    keys: list[str],
    history: OfflineHistory,
    output: Storage,
    model: Model,
    reader: ManagedReader,
    request_columns: Collection[str] = (),
    progress: Callable[[], None] = lambda: None,
) -> Backfilled:
    """Rebuilds the objects `keys` of `logs` into `output`.

    `request_columns` are the columns that hold one value for each event. Raises MonitoringError where no event can be read.
    """
    written = Backfilled()
    columns = history.request_columns(dataset.EVENT_TIME)
    for group in _joined_together(_read_objects(logs, keys, reader, progress), columns):
        asked = pa.concat_tables([part.table.select(columns) for part in group])
        answers, first = history.answer(asked, dataset.EVENT_TIME), 0
        for part in group:
            own = [answer.slice(first, part.table.num_rows) for answer in answers]
            first += part.table.num_rows
            body = _parquet(_captured(part.table, own, model, set(request_columns)))
            output.put(f"{part.key.removesuffix('.jsonl')}.parquet", body, CONTENT_TYPE)
            written.objects, written.rows = written.objects + 1, written.rows + part.table.num_rows
            _count(written, own)
    reader.report.verify()
    if not written.rows:
        raise MonitoringError("the logs hold no event in this window")
    return written


@dataclass(frozen=True, slots=True)
class _ReadObject:
    """An object of the logs: its key and its rows."""

    key: str
    table: pa.Table


def _read_objects(
    logs: Storage, keys: list[str], reader: ManagedReader, progress: Callable[[], None]
) -> Iterator[_ReadObject]:
    for key in keys:
        parsed = dataset.parse_object_key(key)
        if parsed is None:
            raise MonitoringError(f"{key} is not a key of captured data: it has no endpoint, variant and hour")
        yield _ReadObject(key, reader.read(logs.get(key).body, ObjectOrigin.of_key(parsed)).table())
        progress()


def _joined_together(objects: Iterator[_ReadObject], columns: list[str]) -> Iterator[list[_ReadObject]]:
    """Yields lists of objects of about JOIN_ROWS rows whose `columns` have equal types: one join answers them all.

    Raises UsageError where an object with rows has no such column.
    """
    group: list[_ReadObject] = []
    rows, schema = 0, None
    for entry in objects:
        if not entry.table.num_rows:
            continue
        missing = [name for name in columns if name not in entry.table.column_names]
        if missing:
            raise UsageError(
                f"the groups' ids need the column {missing[0]!r}; {entry.key} has {', '.join(entry.table.column_names)}"
            )
        own = entry.table.select(columns).schema
        if group and (rows >= JOIN_ROWS or own != schema):
            yield group
            group, rows = [], 0
        group.append(entry)
        rows, schema = rows + entry.table.num_rows, own
    if group:
        yield group


def managed_keys(logs: Storage, endpoint: str, variant: str, start: int | None, end: int | None) -> Iterator[str]:
    """Yields the keys of a variant's JSON Lines whose hour touches [start, end), microseconds since 1970 UTC."""
    for entry in logs.list(f"{endpoint}/{variant}/"):
        key = dataset.parse_object_key(entry.key)
        if key is None or key.format != "jsonl":
            continue
        if (start is None or key.hour + dataset.HOUR > start) and (end is None or key.hour < end):
            yield entry.key


def _captured(table: pa.Table, answers: list[Rebuilt], model: Model, request_columns: set[str]) -> pa.Table:
    """Returns the table with the columns of the captured dataset, in its order."""
    rows = table.num_rows
    said = {
        dataset.MODEL_NAME: pa.array([model.name] * rows, pa.string()),
        dataset.MODEL_VERSION: pa.array([model.version] * rows, pa.string()),
        dataset.SAMPLING_PERCENTAGE: pa.array([model.sampling_percentage] * rows, pa.float64()),
    }
    columns: dict[str, pa.Array | pa.ChunkedArray] = {name: table[name] for name in table.column_names} | said
    request = {name for name in request_columns if name in columns}
    events = _events(table)
    for answer in answers:
        of_request = set(answer.group.id_columns) <= request
        for feature, column in answer.group.features.items():
            columns[column] = answer.features[feature]
            request |= {column} if of_request else set()
        columns[f"{dataset.AGE_PREFIX}{answer.group.name}"] = _ages(answer, table, events)
        columns[f"{dataset.MISSING_PREFIX}{answer.group.name}"] = _missing(answer, events, of_request=of_request)
    last = [name for name in columns if name.startswith((dataset.AGE_PREFIX, dataset.MISSING_PREFIX))]
    predictions = [name for name in columns if dataset.is_prediction(name)]
    aside = {*dataset.FIXED_COLUMNS, *last, *predictions, dataset.RESCUED_DATA}
    features = [name for name in columns if name not in aside]
    order = [*dataset.FIXED_COLUMNS, *features, *predictions, *last, dataset.RESCUED_DATA]
    made = pa.table({name: columns[name] for name in order})
    return made.replace_schema_metadata(
        {
            dataset.METADATA_VERSION: str(dataset.DATASET_VERSION),
            dataset.METADATA_WRITER: WRITER,
            dataset.METADATA_REQUEST: json.dumps([name for name in features if name in request]),
            dataset.METADATA_PREDICTIONS: json.dumps(predictions),
            dataset.METADATA_JSON: "[]",
            dataset.METADATA_HASHED: "[]",
            dataset.METADATA_RENAMED: "{}",
            dataset.METADATA_EVENTS: str(int(events.max()) + 1),
        }
    )


def _events(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns the number of each row's event, from 0, in the order of the rows."""
    index = np.asarray(table[dataset.ITEM_INDEX].to_numpy(), np.int64)
    return np.cumsum(index == 0) - 1


def _ages(answer: Rebuilt, table: pa.Table, events: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    """Returns for each row the seconds between its event and the oldest record that its event found; null without one."""
    usable = pc.is_in(answer.found, pa.array([LookupResult.RECORD.value, LookupResult.AMBIGUOUS.value]))
    asked = table[dataset.EVENT_TIME].cast(pa.int64())
    ages = pc.divide(pc.subtract(asked, answer.event_time.cast(pa.int64())).cast(pa.float64()), 1e6)
    seconds = np.asarray(pc.if_else(usable, ages, float("nan")).to_numpy(zero_copy_only=False), np.float64)
    oldest = np.full(int(events.max()) + 1, -np.inf)
    np.maximum.at(oldest, events, np.nan_to_num(seconds, nan=-np.inf))
    found = oldest[events]
    return pa.array(found, pa.float64(), mask=~np.isfinite(found))


def _missing(answer: Rebuilt, events: np.ndarray[tuple[int], np.dtype[np.int64]], *, of_request: bool) -> pa.Array:
    """Returns for each row how many ids of its event the store lacked. A request-level id is asked once."""
    absent = np.asarray(
        pc.is_in(answer.found, pa.array([LookupResult.MISSING.value, LookupResult.EXPIRED.value])).to_numpy(), bool
    )
    counts = np.bincount(events, weights=absent).astype(np.int32)
    if of_request:
        counts = np.minimum(counts, 1)
    return pa.array(counts[events], pa.int32())


def _parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", compression_level=1)
    return out.getvalue()


def _count(written: Backfilled, answers: list[Rebuilt]) -> None:
    for answer in answers:
        counts = written.found.setdefault(answer.group.name, dict.fromkeys(map(str, LookupResult), 0))
        for entry in pc.value_counts(answer.found).to_pylist():
            counts[entry["values"]] += entry["counts"]
