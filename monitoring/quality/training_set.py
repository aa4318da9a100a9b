"""The manifest of a training set: captured rows of final windows with their labels, pinned by digests.

    manifest.json            objects with SHA-256 and rows, the split by time, how rows are weighted
    manifest.labels.parquet  the label of each row as it was known: event id, item index, event time, label

A later correction of a label or a rewritten object does not change a training set: what differs from its digest is set
aside. `training_table` makes one Parquet table of manifests.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture.reading.reader import Dataset, ReadError, SinkError
from monitoring.errors import MonitoringError, UsageError
from monitoring.quality.maturity import LabelStage
from monitoring.quality.objects import Files
from monitoring.storage import key_in_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitoring.quality.predictions import CapturedPredictions
    from monitoring.quality.run import JudgedQuality, QualityRun
    from monitoring.window import Window

MANIFEST_VERSION = 1
TEST_SHARE = 0.2
LABEL_COLUMNS = ("event_id", "item", "event_time", "label")


class ManifestObject(msgspec.Struct, frozen=True):
    """A captured object: its key below the captured data's URI, its size in bytes and its SHA-256 in hex."""

    key: str
    size: int
    sha256: str


class TrainingManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A training set. `split_at` divides events by time: earlier ones train, later ones test.

    `weighted` is True where sampling differs, so that a row's weight, 100 / sampling percentage, matters. `id_column`,
    `time_column` and `item_column` are set where the captured data is any other Parquet.
    """

    version: int
    created: dt.datetime
    captured: str
    endpoint: str
    variant: str
    model_version: str | None
    ground_truth: str
    problem: str
    start: dt.datetime
    end: dt.datetime
    split_at: dt.datetime
    rows: int
    train_rows: int
    test_rows: int
    weighted: bool
    objects: tuple[ManifestObject, ...]
    labels: ManifestObject
    id_column: str | None = None
    time_column: str | None = None
    item_column: str | None = None


def write_manifest(
    judged: JudgedQuality, run: QualityRun, uri: str, created: dt.datetime, test_share: float = TEST_SHARE
) -> TrainingManifest:
    """Writes the manifest of a final window to `uri` and its labels beside it.

    Raises UsageError where the window is not final, was judged without `keep_labels`, or has no labelled row.
    """
    maturity, labels = judged.result.maturity, judged.labels
    if maturity.stage is not LabelStage.FINAL:
        raise UsageError(f"the window is {maturity.stage}: a training set needs a final one ({maturity.reason})")
    if labels is None or not labels.num_rows:
        raise UsageError("the run kept no labels: judge it with keep_labels")
    storage, key = key_in_storage(uri)
    labels_key = f"{key.removesuffix('.json')}.labels.parquet"
    sink = io.BytesIO()
    pq.write_table(labels.select(list(LABEL_COLUMNS)), sink, compression="zstd")
    storage.put(labels_key, sink.getvalue(), "application/vnd.apache.parquet")
    times = np.asarray(labels["event_time"].cast(pa.int64()).to_numpy())
    split_at = int(np.quantile(times, 1 - test_share, method="higher"))
    train = int((times < split_at).sum())
    subject = judged.result.subject
    manifest = TrainingManifest(
        version=MANIFEST_VERSION,
        created=created,
        captured=run.captured.uri,
        endpoint=subject.endpoint,
        variant=subject.variant,
        model_version=subject.model_version,
        ground_truth=run.ground_truth,
        problem=str(run.question.problem),
        start=run.window.start,
        end=run.window.end,
        split_at=dt.datetime.fromtimestamp(split_at / 1e6, dt.UTC),
        rows=labels.num_rows,
        train_rows=train,
        test_rows=labels.num_rows - train,
        weighted=judged.state.weighted,
        objects=tuple(_objects(run.captured, run.window)),
        labels=_described(labels_key, sink.getvalue()),
        id_column=run.captured.id_column,
        time_column=run.captured.time_column,
        item_column=run.captured.item_column,
    )
    storage.put(key, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    return manifest


def read_manifest(uri: str) -> TrainingManifest:
    """Returns the manifest at `uri`. Raises MonitoringError where it is not one of this version."""
    storage, key = key_in_storage(uri)
    try:
        manifest = msgspec.json.decode(storage.get(key).body, type=TrainingManifest)
    except msgspec.MsgspecError as error:
        raise MonitoringError(f"{uri} is not a manifest of a training set: {error}") from error
    if manifest.version > MANIFEST_VERSION:
        raise MonitoringError(f"{uri} has version {manifest.version}; this reads {MANIFEST_VERSION}: upgrade")
    return manifest


def _objects(captured: CapturedPredictions, window: Window) -> Iterator[ManifestObject]:
    files = Files(captured.uri)
    if captured.id_column:
        keys = [entry.key for entry in files.list() if entry.key.endswith(".parquet")]
    else:
        try:
            found = Dataset(captured.uri).objects(
                window.start, window.end, endpoint=captured.endpoint, variant=captured.variant
            )
            keys = [str(entry.key) for entry in found]
        except (SinkError, ReadError) as error:
            raise MonitoringError(str(error)) from error
    for key in keys:
        yield _described(key, files.get(key))


def _described(key: str, body: bytes) -> ManifestObject:
    return ManifestObject(key, len(body), hashlib.sha256(body).hexdigest())
