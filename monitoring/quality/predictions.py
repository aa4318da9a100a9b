"""Captured data of a window to one Parquet file: a row for each prediction, with the columns that the join needs.

Captured data is the dataset of `capture`, or any Parquet files with an id and a time column. Types may differ from file to
file; the columns here have one type each.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capture import dataset
from capture.reading.reader import Dataset, ReadError, SinkError
from monitoring.errors import MonitoringError, UsageError
from monitoring.quality.label_tables import as_numbers, canonical_text, label_values
from monitoring.quality.problem import Problem
from monitoring.quality.unit_hash import hash_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from monitoring.quality.objects import Files
    from monitoring.quality.problem import Question
    from monitoring.window import Window

INPUT_PREFIX = "input_"


@dataclass(frozen=True, slots=True)
class CapturedPredictions:
    """Where captured predictions are: a captured dataset's URI, narrowed to an endpoint and a variant where given.

    With `id_column` and `time_column` the URI holds any Parquet files instead; `item_column` names an item's index there.
    """

    uri: str
    endpoint: str | None = None
    variant: str | None = None
    id_column: str | None = None
    time_column: str | None = None
    item_column: str | None = None


@dataclass(slots=True)
class PredictionCounts:
    """What was written: rows, events, rows without a prediction, repeated rows, and who was captured.

    `models` holds (model name, model version) pairs; `subjects` (endpoint, variant) pairs.
    """

    rows: int = 0
    events: int = 0
    no_prediction: int = 0
    duplicates: int = 0
    objects: int = 0
    models: set[tuple[str, str | None]] = field(default_factory=set)
    subjects: set[tuple[str, str]] = field(default_factory=set)


def collect_predictions(
    captured: CapturedPredictions,
    window: Window,
    question: Question,
    inputs: Mapping[str, bool],
    target: Path,
    source: Files | None = None,
) -> PredictionCounts:
    """Writes the window's predictions to the Parquet file `target`.

    `inputs` names features to keep, and whether each is numeric. Raises MonitoringError where the data cannot be read, and
    UsageError where no file has the column of the predictions or of the item key.
    """
    schema = _schema(question, inputs)
    counts, seen = PredictionCounts(), set[str]()
    keys: list[npt.NDArray[np.int64]] = []
    with pq.ParquetWriter(target, schema, compression="snappy") as writer:
        for batch in _plain(captured, window, source) if captured.id_column else _captured(captured, window):
            seen.update(batch.schema.names)
            rows = _common(batch, captured, question, inputs, counts)
            keys.append(_row_keys(rows))
            writer.write_batch(rows)
    if counts.rows:
        _require(question, inputs, seen)
        _drop_duplicates(target, schema, keys, counts)
    return counts


def _schema(question: Question, inputs: Mapping[str, bool]) -> pa.Schema:
    value = pa.string() if question.text_labels else pa.float64()
    return pa.schema(
        [
            ("row", pa.int64()),
            ("unit", pa.int64()),
            ("event_time", pa.timestamp("us", "UTC")),
            ("event_id", pa.string()),
            ("inference_id", pa.string()),
            ("key", pa.string()),
            ("item", pa.int32()),
            ("item_count", pa.int32()),
            ("item_key", pa.string()),
            ("predicted", value),
            ("score", pa.float64()),
            ("weight", pa.float64()),
            ("model_version", pa.string()),
            *((f"{INPUT_PREFIX}{name}", pa.float64() if numeric else pa.string()) for name, numeric in inputs.items()),
        ]
    )


def _captured(captured: CapturedPredictions, window: Window) -> Iterator[pa.RecordBatch]:
    try:
        yield from Dataset(captured.uri).batches(
            window.start, window.end, endpoint=captured.endpoint, variant=captured.variant
        )
    except (SinkError, ReadError) as error:
        raise MonitoringError(str(error)) from error


def _plain(captured: CapturedPredictions, window: Window, source: Files | None) -> Iterator[pa.RecordBatch]:
    from monitoring.quality.objects import Files

    place = source or Files(captured.uri)
    for entry in place.list():
        if not entry.key.endswith(".parquet"):
            continue
        for batch in pq.ParquetFile(io.BytesIO(place.get(entry.key))).iter_batches():
            times = _times(batch, captured, entry.key)
            inside = pc.and_(
                pc.greater_equal(times, pa.scalar(window.start, times.type)),
                pc.less(times, pa.scalar(window.end, times.type)),
            )
            yield batch.filter(pc.fill_null(inside, False))


def _times(batch: pa.RecordBatch, captured: CapturedPredictions, where: str = "the captured data") -> pa.Array:
    name = captured.time_column or dataset.EVENT_TIME
    if name not in batch.schema.names:
        raise UsageError(f"{where} has no time column {name!r}: name it with --time")
    column = batch.column(name)
    if pa.types.is_string(column.type):
        column = column.cast(pa.timestamp("us", "UTC"))
    return column.cast(pa.timestamp("us", "UTC"), safe=False)


def _common(
    batch: pa.RecordBatch,
    captured: CapturedPredictions,
    question: Question,
    inputs: Mapping[str, bool],
    counts: PredictionCounts,
) -> pa.RecordBatch:
    """Returns a batch in the schema of `_schema`, and counts it."""
    rows = batch.num_rows

    def column(name: str, kind: pa.DataType) -> pa.Array:
        if name not in batch.schema.names:
            return pa.nulls(rows, kind)
        found = batch.column(name)
        found = found.dictionary_decode() if pa.types.is_dictionary(found.type) else found
        return found.cast(kind) if found.type != kind else found

    ids = column(captured.id_column or dataset.EVENT_ID, pa.string())
    inference = pa.nulls(rows, pa.string()) if captured.id_column else column(dataset.INFERENCE_ID, pa.string())
    percentage = pc.fill_null(column(dataset.SAMPLING_PERCENTAGE, pa.float64()), 100.0)
    predicted, score = predicted_and_score(batch, question)
    missing = pc.is_null(score if question.problem is not Problem.MULTICLASS else predicted)
    counts.no_prediction += pc.sum(missing.cast(pa.int64())).as_py() or 0
    item = column(captured.item_column or dataset.ITEM_INDEX, pa.int32())
    first = counts.rows
    counts.rows += rows
    counts.events += int(pc.sum(pc.equal(pc.fill_null(item, 0), 0).cast(pa.int64())).as_py() or 0)
    _note_subjects(column, counts)
    key_column = (
        batch.column(question.item_key) if question.item_key in batch.schema.names else pa.nulls(rows, pa.string())
    )
    return pa.RecordBatch.from_arrays(
        [
            pa.array(np.arange(first, first + rows)),
            pa.array(hash_ids(pc.fill_null(ids, ""))),
            _times(batch, captured),
            ids,
            inference,
            pc.coalesce(inference, ids),
            pc.fill_null(item, 0),
            pc.fill_null(column(dataset.ITEM_COUNT, pa.int32()), 1),
            canonical_text(key_column),
            predicted,
            score,
            pc.divide(100.0, percentage),
            column(dataset.MODEL_VERSION, pa.string()),
            *(_input(batch, name, numeric) for name, numeric in inputs.items()),
        ],
        schema=_schema(question, inputs),
    )


def predicted_and_score(batch: pa.RecordBatch, question: Question) -> tuple[pa.Array, pa.Array]:
    """Returns what was predicted (class or value) and the score (probability, value, or ranking score)."""
    nothing = pa.nulls(batch.num_rows, pa.float64())
    names = batch.schema.names
    given = batch.column(question.prediction) if question.prediction in names else None
    if question.problem is Problem.MULTICLASS:
        return (pa.nulls(batch.num_rows, pa.string()) if given is None else canonical_text(given)), nothing
    if question.problem is Problem.BINARY:
        score = as_numbers(batch.column(question.probability)) if question.probability in names else nothing
        predicted = pc.greater_equal(score, question.threshold).cast(pa.float64())
        if given is not None:
            predicted = label_values(given, question)
        return predicted, score if question.probability is not None else predicted
    value = nothing if given is None else as_numbers(given)
    return value, pc.negate(value) if question.lower_is_better else value


def _input(batch: pa.RecordBatch, name: str, numeric: bool) -> pa.Array:
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, pa.float64() if numeric else pa.string())
    column = batch.column(name)
    return as_numbers(column) if numeric else canonical_text(column)


def _note_subjects(read: Callable[[str, pa.DataType], pa.Array], counts: PredictionCounts) -> None:
    names = read(dataset.MODEL_NAME, pa.string())
    versions = read(dataset.MODEL_VERSION, pa.string())
    endpoints = read(dataset.ENDPOINT_NAME, pa.string())
    variants = read(dataset.VARIANT_NAME, pa.string())
    for first, second, found in ((names, versions, counts.models), (endpoints, variants, counts.subjects)):
        pairs = pa.table({"a": first, "b": second}).group_by(["a", "b"]).aggregate([])
        found.update((a, b) for a, b in zip(pairs["a"].to_pylist(), pairs["b"].to_pylist(), strict=True) if a)


def _require(question: Question, inputs: Mapping[str, bool], seen: set[str]) -> None:
    wanted = {
        "--prediction": question.prediction,
        "--probability": question.probability,
        "--item-key": question.item_key,
    }
    for flag, name in wanted.items():
        if name is not None and name not in seen:
            predictions = ", ".join(sorted(name for name in seen if dataset.is_prediction(name))) or "none"
            raise UsageError(f"{flag} {name!r}: no captured object has this column; prediction columns: {predictions}")


def _row_keys(rows: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Returns a 64-bit key of (event, item) for each row."""
    units = rows.column("unit").to_numpy(zero_copy_only=False)
    items = rows.column("item").to_numpy(zero_copy_only=False).astype(np.int64)
    keys: npt.NDArray[np.int64] = units ^ (items * np.int64(0x5851F42D4C957F2D))
    return keys


def _drop_duplicates(
    target: Path, schema: pa.Schema, keys: list[npt.NDArray[np.int64]], counts: PredictionCounts
) -> None:
    """Writes `target` again without repeated rows, where an object was copied twice."""
    every = np.concatenate(keys)
    ordered = np.sort(every)
    counts.duplicates = int((ordered[1:] == ordered[:-1]).sum())
    if not counts.duplicates:
        return
    del ordered
    _, first = np.unique(every, return_index=True)
    keep = np.zeros(len(every), bool)
    keep[first] = True
    copy, place = target.with_suffix(".unique.parquet"), 0
    with pq.ParquetWriter(copy, schema, compression="snappy") as writer:
        for batch in pq.ParquetFile(target).iter_batches():
            writer.write_batch(batch.filter(pa.array(keep[place : place + batch.num_rows])))
            place += batch.num_rows
    copy.replace(target)
    counts.rows -= counts.duplicates
