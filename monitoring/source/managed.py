"""What the managed service captured, as tables like those of the captured dataset.

    reader = ManagedReader(BaselineColumns(names))
    found = reader.read(body, key)          # one object: rows under the baseline's names, in its own types
    reader.report.verify()                  # raises where nothing could be read
    reader.report.notes()                   # sentences for a person

An event of several rows has several items. Predictions stand in `prediction` or `prediction_{output}`. An event that cannot be
read is counted by its reason, with the id of the first one, and the rest goes on. An event without a time has the hour of its
object's key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from capture import dataset
from monitoring.source.managed_columns import (
    BaselineColumns,
    Positions,
    ScriptNames,
    output_names,
    positions,
    verify_order,
)
from monitoring.source.managed_lines import BadLine, ManagedEvent, events_of
from monitoring.source.managed_payload import PayloadError, Row
from monitoring.source.managed_report import ManagedReport
from monitoring.source.managed_sides import aligned, sides_of
from monitoring.source.managed_table import table_of
from monitoring.source.preprocess import Handler, HandlerError, rows_from

BATCH_ROWS = 65_536
VERIFIED_EVENTS = 200
"""Events of an object whose values are held against the ranges of the baseline."""
MAX_EXTRA_COLUMNS = 1_000
"""Columns of one object that the baseline does not have; further ones are rescued: keys of a client are not columns."""


@dataclass(frozen=True, slots=True)
class ObjectOrigin:
    """Where an object comes from. `hour` is its start in microseconds since 1970 UTC, None where the key names none."""

    name: str
    endpoint: str = ""
    variant: str = ""
    hour: int | None = None

    @classmethod
    def of_key(cls, key: dataset.ObjectKey) -> ObjectOrigin:
        """Returns the source of an object with a key of the managed layout."""
        return cls(str(key), key.endpoint, key.variant, key.hour)


class ManagedObject:
    """One object, read. It has the attributes of `capture.reading.captured_object.CapturedObject` that describe columns."""

    request_columns: tuple[str, ...] = ()
    json_columns: tuple[str, ...] = ()
    hashed_columns: tuple[str, ...] = ()

    def __init__(self, table: pa.Table, prediction_columns: tuple[str, ...]) -> None:
        """Holds a table and the names of its prediction columns."""
        self._table = table
        self.schema = table.schema
        self.rows = int(table.num_rows)
        self.prediction_columns = prediction_columns
        self.renamed: dict[str, str] = {}

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns all rows, of these columns or of all."""
        return self._table if columns is None else self._table.select(list(columns))

    def batches(self, columns: Sequence[str] | None = None, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Yields the rows in batches of at most `rows`."""
        yield from self.table(columns).to_batches(max_chunksize=rows)


class _LineShape(NamedTuple):
    inputs: int
    outputs: int


@dataclass(slots=True)
class _Read:
    """One event and its rows under the names of columns."""

    event: ManagedEvent
    rows: list[dict[str, Any]]


class ManagedReader:
    """Reads objects of the managed service, all under the names of one baseline.

    `handler` is a preprocess script. Raises UsageError where the columns cannot be mapped.
    """

    def __init__(self, columns: BaselineColumns | None = None, handler: Handler | None = None) -> None:
        """Makes a reader. Without `columns` positions are named `feature_0`, `feature_1`, …"""
        self._columns = columns or BaselineColumns()
        self._handler = handler
        self._script = ScriptNames(self._columns)
        self._positions: dict[_LineShape, Positions] = {}
        self._predictions: dict[str, None] = {}
        self.report = ManagedReport()

    def read(self, body: bytes, source: ObjectOrigin) -> ManagedObject:
        """Returns the rows of an object."""
        raw: list[tuple[ManagedEvent, list[Row], list[Row]]] = []
        read: list[_Read] = []
        for event in events_of(body):
            self.report.events += 1
            if isinstance(event, BadLine):
                self.report.count(self.report.unread, "not a line of data capture", f"{source.name}:{event.number}")
                continue
            try:
                rows = self._scripted(event)
                if rows is None:
                    raw.append((event, *sides_of(event)))
                elif rows:
                    read.append(_Read(event, rows))
                else:
                    self.report.left_out += 1
            except HandlerError as error:
                self.report.count(self.report.failures, str(error), event.event_id)
            except PayloadError as error:
                self.report.count(self.report.unread, str(error), event.event_id)
        shape = _usual_shape(raw)
        self._verify(raw, shape)
        read += [found for entry in raw if (found := self._named(*entry, shape)) is not None]
        return self._object(read, source)

    def _scripted(self, event: ManagedEvent) -> list[dict[str, Any]] | None:
        if self._handler is None:
            return None
        rows = rows_from(self._handler, event)
        if rows is None:
            return None
        named = []
        for row in rows:
            columns = self._script.of(tuple(row))
            named.append({columns[key]: value for key, value in row.items()})
        self.report.warnings.update(self._script.notes)
        return named

    def _named(self, event: ManagedEvent, inputs: list[Row], outputs: list[Row], shape: _LineShape) -> _Read | None:
        """Returns the rows of an event under the names of the baseline; None where its rows have an unusual width."""
        outputs = aligned(outputs, len(inputs))
        if not inputs:
            inputs = [{} for _ in outputs]
        unusual = {len(row) for row in inputs if isinstance(row, list)} - {shape.inputs}
        if unusual:
            reason = f"{max(unusual)} input values where others have {shape.inputs}"
            self.report.count(self.report.unread, reason, event.event_id)
            return None
        foreign = any(isinstance(output, list) and len(output) != shape.outputs for output in outputs)
        if outputs and (foreign or len(outputs) != len(inputs)):
            self.report.mismatches += 1
            outputs = []
        rows = []
        for number, row in enumerate(inputs):
            names = self._names(isinstance(row, list), shape, event.event_id)
            predicted = self._predicted(outputs[number], names.outputs) if outputs else {}
            rows.append({**_under(row, names.inputs), **predicted})
        return _Read(event, rows)

    def _verify(self, raw: Sequence[tuple[ManagedEvent, list[Row], list[Row]]], shape: _LineShape) -> None:
        """Doubts a mapping that takes the first columns for the outputs where the values fit another order better."""
        rows: list[tuple[list[Any], list[Any]]] = []
        for _, inputs, outputs in raw[:VERIFIED_EVENTS]:
            for given, output in zip(inputs, aligned(outputs, len(inputs)), strict=False):
                if isinstance(given, list) and isinstance(output, list) and (len(given), len(output)) == shape:
                    rows.append((given, output))
        if rows:
            names = self._names(True, shape, raw[0][0].event_id)
            if names.note:
                verify_order(self._columns, names, rows)

    def _names(self, positional: bool, shape: _LineShape, example: str) -> Positions:
        """Returns the names of positional values; only those of the outputs for a row that has names."""
        if not positional:
            return Positions((), output_names(shape.outputs))
        found = self._positions.get(shape)
        if found is None:
            found = self._positions[shape] = positions(self._columns, *shape, example)
            if found.note:
                self.report.warnings[found.note] = None
        return found

    def _predicted(self, output: Row, names: tuple[str, ...]) -> dict[str, Any]:
        if isinstance(output, list):
            found = dict(zip(names, output, strict=True))
        else:
            found = {_prediction_name(key): value for key, value in output.items()}
        self._predictions.update(dict.fromkeys(found))
        return found

    def _object(self, read: list[_Read], source: ObjectOrigin) -> ManagedObject:
        rows = [row for found in read for row in found.rows]
        self.report.rows += len(rows)
        there = {name: None for row in rows for name in row}
        order = [name for name in self._columns.names if name in there]
        others = [name for name in there if name not in set(order)]
        if len(others) > MAX_EXTRA_COLUMNS:
            self.report.warnings[
                f"events have columns beyond the first {MAX_EXTRA_COLUMNS:,} that the baseline lacks: they are counted as rescued"
            ] = None
        columns = [*order, *others[:MAX_EXTRA_COLUMNS]]
        predictions = tuple(name for name in columns if name in self._predictions or name in self._columns.predictions)
        table = table_of(self._fixed(read, source), rows, columns, self._columns.text, others[MAX_EXTRA_COLUMNS:])
        return ManagedObject(table, predictions)

    def _fixed(self, read: list[_Read], source: ObjectOrigin) -> list[tuple[str, pa.Array]]:
        counts = [len(found.rows) for found in read]
        times = []
        for found in read:
            self.report.by_hour += found.event.time is None
            times.append(source.hour if found.event.time is None else found.event.time)
        total = sum(counts)

        def repeated(values: list[Any], data_type: pa.DataType) -> pa.Array:
            return pa.array(
                [value for value, count in zip(values, counts, strict=True) for _ in range(count)], data_type
            )

        attributes = [",".join(found.event.custom_attributes) or None for found in read]
        text, whole = pa.string(), pa.int32()
        return [
            (dataset.EVENT_ID, repeated([found.event.event_id or None for found in read], text)),
            (dataset.INFERENCE_ID, repeated([found.event.inference_id for found in read], text)),
            (dataset.EVENT_TIME, repeated(times, pa.timestamp("us", tz="UTC"))),
            (dataset.ITEM_INDEX, pa.array([number for count in counts for number in range(count)], whole)),
            (dataset.ITEM_COUNT, repeated(counts, whole)),
            (dataset.CUSTOM_ATTRIBUTES, repeated(attributes, text)),
            (dataset.ENDPOINT_NAME, pa.array([source.endpoint] * total, text)),
            (dataset.VARIANT_NAME, pa.array([source.variant] * total, text)),
        ]


def _usual_shape(raw: Sequence[tuple[ManagedEvent, list[Row], list[Row]]]) -> _LineShape:
    """Returns how many values most positional input rows and most positional output rows have; 0 where there is none."""
    inputs: Counter[int] = Counter()
    outputs: Counter[int] = Counter()
    for _, given, predicted in raw:
        inputs.update(len(row) for row in given if isinstance(row, list))
        outputs.update(len(row) for row in aligned(predicted, len(given)) if isinstance(row, list))
    first, second = (max(counts, key=lambda n: (counts[n], n), default=0) for counts in (inputs, outputs))
    return _LineShape(first, second)


def _under(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    if isinstance(row, list):
        return dict(zip(names, row, strict=True))
    return {dataset.feature_column(str(key)): value for key, value in row.items()}


def _prediction_name(key: str) -> str:
    """Returns the column of a named output; our own column names stay as they are."""
    return key if dataset.is_prediction(key) else dataset.prediction_column(key)
