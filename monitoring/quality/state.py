"""The mergeable state of model quality: the labelled rows of an hour in columns, with all that the metrics need.

The state of a day is the merge of its hours, in any order and grouping: metrics, intervals and calibration of a long
window read no captured row again. Exact AUC and ranking need the scores themselves, so a state keeps 40 bytes a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from monitoring.errors import MonitoringError
from monitoring.quality.problem import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

STATE_VERSION = 1
_HOUR, _DAY = 3_600_000_000, 86_400_000_000
_COLUMNS = ("unit", "time", "predicted", "score", "label", "weight", "delay")


@dataclass(frozen=True, eq=False)
class QualityState:
    """Labelled rows in columns of shape (n,).

    `unit` int64, the hash of the row's event id; `time` int64, the event's microseconds since 1970 UTC; `predicted` and
    `label` float64, for class names their place in `classes`; `score` float64, NaN where there is none; `weight` float64,
    100 / sampling percentage; `delay` float64, hours from the event to its first label.
    """

    unit: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    label: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    delay: npt.NDArray[np.float64]
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def weighted(self) -> bool:
        """Whether rows have different weights: sampling differed between files."""
        return len(self) > 0 and bool(self.weight.min() != self.weight.max())

    def unit_ids(self, unit: Unit) -> npt.NDArray[np.int64]:
        """Returns the id of each row's unit, int64 of shape (n,)."""
        if unit is Unit.REQUEST:
            return self.unit
        return self.time // (_HOUR if unit is Unit.HOUR else _DAY)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> QualityState:
        """Returns the state of some rows, by index, mask or slice."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def hours(self) -> Iterator[tuple[int, QualityState]]:
        """Yields (start of the hour in microseconds, state of that hour), in the order of time."""
        if not len(self):
            return
        hour = self.time // _HOUR
        order = np.argsort(hour, kind="stable")
        starts = np.flatnonzero(np.diff(hour[order], prepend=np.int64(-1)))
        for first, end in zip(starts, [*starts[1:], len(order)], strict=True):
            yield int(hour[order[first]]) * _HOUR, self.take(order[first:end])


def empty_state(classes: tuple[str, ...] = ()) -> QualityState:
    """Returns the state of no rows."""
    ids, numbers = np.zeros(0, np.int64), np.zeros(0)
    return QualityState(ids, ids, numbers, numbers, numbers, numbers, numbers, classes)


def merge_states(states: Sequence[QualityState]) -> QualityState:
    """Returns the state of all rows. Class names are merged; the order of the states changes no metric."""
    if not states:
        return empty_state()
    classes = tuple(sorted({name for state in states for name in state.classes}))
    place = {name: number for number, name in enumerate(classes)}
    renamed = []
    for state in states:
        if state.classes and state.classes != classes:
            codes = np.array([place[name] for name in state.classes], np.float64)
            predicted, label = codes[state.predicted.astype(np.intp)], codes[state.label.astype(np.intp)]
            state = replace(state, predicted=predicted, label=label)
        renamed.append(state)
    columns = {name: np.concatenate([getattr(state, name) for state in renamed]) for name in _COLUMNS}
    return QualityState(**columns, classes=classes)


def collect_states(states: Iterable[QualityState], rows: int) -> QualityState:
    """Returns the state of all rows of numeric states, at most `rows` of them, without holding all parts at once.

    Its rows are in the order of their scores: metrics of the order need no other sorting and no copy.
    """
    whole = QualityState(
        unit=np.empty(rows, np.int64),
        time=np.empty(rows, np.int64),
        predicted=np.empty(rows),
        score=np.empty(rows),
        label=np.empty(rows),
        weight=np.empty(rows),
        delay=np.empty(rows),
    )
    done = 0
    for state in states:
        for name in _COLUMNS:
            getattr(whole, name)[done : done + len(state)] = getattr(state, name)
        done += len(state)
    found = whole.take(slice(done))
    order = np.argsort(found.score, kind="stable")
    for name in _COLUMNS:
        column = getattr(found, name)
        column[:] = column[order]
    return found


def state_of_batch(batch: pa.RecordBatch, text_labels: bool) -> QualityState:
    """Returns the state of joined rows: columns `unit`, `event_time`, `predicted`, `score`, `weight`, `label`, `first_arrived`.

    Rows without a prediction are left out.
    """
    batch = batch.filter(batch.column("predicted").is_valid())

    def numbers(name: str) -> npt.NDArray[np.float64]:
        return np.array(batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)

    def microseconds(name: str) -> npt.NDArray[np.int64]:
        times = batch.column(name).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        return np.array(times.to_numpy(zero_copy_only=False), np.int64)

    classes: tuple[str, ...] = ()
    if text_labels:
        every = pa.chunked_array([batch.column("predicted"), batch.column("label")]).cast(pa.string())
        coded = every.combine_chunks().dictionary_encode()
        classes = tuple(coded.dictionary.to_pylist())
        codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.float64)
        predicted, label = codes[: batch.num_rows], codes[batch.num_rows :]
    else:
        predicted, label = numbers("predicted"), numbers("label")
    time = microseconds("event_time")
    return QualityState(
        unit=np.array(batch.column("unit").to_numpy(zero_copy_only=False), np.int64),
        time=time,
        predicted=predicted,
        score=numbers("score"),
        label=label,
        weight=numbers("weight"),
        delay=np.maximum(microseconds("first_arrived") - time, 0) / _HOUR,
        classes=classes,
    )


def encode_state(state: QualityState) -> bytes:
    """Returns the state as an Arrow IPC file, compressed."""
    metadata = {"quality.state_version": str(STATE_VERSION), "quality.classes": "\x1f".join(state.classes)}
    table = pa.table({name: getattr(state, name) for name in _COLUMNS}).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def decode_state(body: bytes) -> QualityState:
    """Returns the state in `body`. Raises MonitoringError where it is not one of this version."""
    try:
        table = pa.ipc.open_file(pa.BufferReader(body)).read_all()
    except pa.ArrowInvalid as error:
        raise MonitoringError(f"this is not a state of model quality: {error}") from error
    metadata = table.schema.metadata or {}
    version = metadata.get(b"quality.state_version", b"").decode()
    if version != str(STATE_VERSION):
        raise MonitoringError(f"the state of model quality has version {version or 'none'}; this reads {STATE_VERSION}")
    names = metadata[b"quality.classes"].decode()
    columns = {name: table[name].to_numpy() for name in _COLUMNS}
    return QualityState(**columns, classes=tuple(names.split("\x1f")) if names else ())
