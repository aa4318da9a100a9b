"""Manifests to one Parquet table: the captured rows that have a label, with `label`, `weight` and `split`."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capture import dataset
from capture.reading.captured_object import CapturedObject, ReadError
from monitoring.errors import MonitoringError
from monitoring.quality.label_tables import canonical_text
from monitoring.quality.objects import Files
from monitoring.quality.training_set import ManifestObject, TrainingManifest, read_manifest
from monitoring.storage import MissingKey, key_in_storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADDED = ("label", "weight", "split")
_LEFT_OUT = {
    dataset.CUSTOM_ATTRIBUTES,
    dataset.ENDPOINT_NAME,
    dataset.VARIANT_NAME,
    dataset.SAMPLING_PERCENTAGE,
    dataset.ITEM_COUNT,
    dataset.RESCUED_DATA,
}


@dataclass(slots=True)
class TrainingTable:
    """What was written: rows by split, objects used, and objects that were set aside with the reason."""

    rows: int = 0
    train_rows: int = 0
    test_rows: int = 0
    objects: int = 0
    set_aside: list[str] = field(default_factory=list)


def write_training_table(uris: Sequence[str], target: str) -> TrainingTable:
    """Writes one Parquet file of all manifests to the path or URI `target`.

    Columns are those of the captured objects without the constants of the capture, and `label`, `weight` (100 / sampling
    percentage) and `split` ("train" or "test", by time). A column that has several types over objects is double where all
    are numbers, else text. An object that is missing, differs from its digest or cannot be read is set aside; labels that
    differ from their digest raise MonitoringError.
    """
    found = TrainingTable()
    storage, key = key_in_storage(target)
    parts = [part for uri in uris for part in _parts(uri, found)]
    if not parts:
        raise MonitoringError(f"no captured object of {', '.join(uris)} can be used: {'; '.join(found.set_aside[:3])}")
    schema = _common_schema([part.schema for part in parts])
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for part in parts:
            writer.write_table(_cast(part, schema))
            train = int(pc.sum(pc.equal(part["split"], "train")).as_py() or 0)
            found.rows += part.num_rows
            found.train_rows += train
            found.test_rows += part.num_rows - train
    storage.put(key, sink.getvalue(), "application/vnd.apache.parquet")
    return found


def _parts(uri: str, found: TrainingTable) -> Iterator[pa.Table]:
    manifest = read_manifest(uri)
    labels = _labels(uri, manifest)
    files = Files(manifest.captured)
    for entry in manifest.objects:
        try:
            body = files.get(entry.key)
        except MissingKey:
            found.set_aside.append(f"{entry.key} is missing")
            continue
        if hashlib.sha256(body).hexdigest() != entry.sha256:
            found.set_aside.append(f"{entry.key} differs from its digest")
            continue
        try:
            rows = _rows(body, entry, manifest)
        except (ReadError, pa.ArrowInvalid) as error:
            found.set_aside.append(f"{entry.key} cannot be read: {error}")
            continue
        found.objects += 1
        part = _labelled(rows, labels, manifest)
        if part.num_rows:
            yield part


def _labels(uri: str, manifest: TrainingManifest) -> pa.Table:
    storage, key = key_in_storage(uri)
    head = key.rpartition("/")[0]
    body = storage.get(f"{head}/{manifest.labels.key}" if head else manifest.labels.key).body
    if hashlib.sha256(body).hexdigest() != manifest.labels.sha256:
        raise MonitoringError(f"{manifest.labels.key} differs from the digest in {uri}: write the manifest again")
    return pq.read_table(io.BytesIO(body))


def _rows(body: bytes, entry: ManifestObject, manifest: TrainingManifest) -> pa.Table:
    if manifest.id_column is not None:
        return pq.read_table(io.BytesIO(body))
    key = dataset.parse_object_key(entry.key)
    if key is None:
        raise ReadError(f"{entry.key} is not the key of a captured object")
    return CapturedObject(key, body).table()


def _labelled(rows: pa.Table, labels: pa.Table, manifest: TrainingManifest) -> pa.Table:
    """Returns the rows that have a label, in their order."""
    id_name, item_name = manifest.id_column or dataset.EVENT_ID, manifest.item_column or dataset.ITEM_INDEX
    time_name = manifest.time_column or dataset.EVENT_TIME
    items = (
        rows[item_name].cast(pa.int32()) if item_name in rows.column_names else pa.array(np.zeros(len(rows), np.int32))
    )
    keys = pa.table({"event_id": rows[id_name].cast(pa.string()), "item": items, "place": np.arange(len(rows))})
    wanted = labels.filter(pc.is_in(labels["event_id"], value_set=keys["event_id"].combine_chunks().unique()))
    joined = keys.join(wanted.select(["event_id", "item", "label"]), ["event_id", "item"], join_type="inner").sort_by(
        "place"
    )
    kept = rows.take(joined["place"])
    percentage = (
        kept[dataset.SAMPLING_PERCENTAGE].cast(pa.float64())
        if dataset.SAMPLING_PERCENTAGE in kept.column_names
        else pa.array(np.full(len(kept), 100.0))
    )
    times = kept[time_name].cast(pa.timestamp("us", "UTC"), safe=False)
    train = pc.less(times, pa.scalar(manifest.split_at, pa.timestamp("us", "UTC")))
    table = kept.select([name for name in kept.column_names if name not in _LEFT_OUT and name not in ADDED])
    table = table.append_column("label", joined["label"])
    table = table.append_column("weight", pc.divide(100.0, pc.fill_null(percentage, 100.0)))
    return table.append_column("split", pc.if_else(train, "train", "test"))


def _common_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Returns one schema for all parts, columns in the order of their first appearance, `ADDED` last."""
    kinds: dict[str, list[pa.DataType]] = {}
    for schema in schemas:
        for entry in schema:
            kind = entry.type.value_type if pa.types.is_dictionary(entry.type) else entry.type
            if kind not in kinds.setdefault(entry.name, []):
                kinds[entry.name].append(kind)
    names = [name for name in kinds if name not in ADDED] + list(ADDED)
    return pa.schema([(name, _common_type(kinds[name])) for name in names])


def _common_type(kinds: Sequence[pa.DataType]) -> pa.DataType:
    if len(kinds) == 1:
        return kinds[0]
    numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
    return pa.float64() if numbers else pa.string()


def _cast(part: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for entry in schema:
        if entry.name not in part.column_names:
            columns.append(pa.nulls(len(part), entry.type))
            continue
        column = part[entry.name].combine_chunks()
        if column.type == entry.type:
            columns.append(column)
        else:
            columns.append(canonical_text(column) if entry.type == pa.string() else column.cast(entry.type))
    return pa.Table.from_arrays(columns, schema=schema)
