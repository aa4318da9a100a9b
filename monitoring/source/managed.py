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
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from capture import dataset
from monitoring.errors import MonitoringError
from monitoring.source.managed_columns import BaselineColumns, Positions, ScriptNames, output_names, positions
from monitoring.source.managed_lines import BadLine, CapturedText, ManagedEvent, events_of
from monitoring.source.managed_payload import PayloadError, Row, documents_of, rows_of, rows_of_document, text_of
from monitoring.source.managed_table import table_of
from monitoring.source.preprocess import NAME, Handler, HandlerError, rows_from

BATCH_ROWS = 65_536
_BATCH_OUTPUT = "SageMakerOutput"


@dataclass(frozen=True, slots=True)
class Source:
    """Where an object comes from. `hour` is its start in microseconds since 1970 UTC, None where the key names none."""

    name: str
    endpoint: str = ""
    variant: str = ""
    hour: int | None = None

    @classmethod
    def of_key(cls, key: dataset.ObjectKey) -> Source:
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


@dataclass(slots=True)
class ManagedReport:
    """What was read and what was not, over all objects of a reader.

    `unread` counts events and lines by reason, `first` names the first of each. `failures` counts events in which the script
    raised, by exception.
    """

    events: int = 0
    rows: int = 0
    left_out: int = 0
    by_hour: int = 0
    mismatches: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)

    def count(self, counter: Counter[str], reason: str, example: str) -> None:
        """Counts one event by its reason."""
        counter[reason] += 1
        self.first.setdefault(reason, example)

    def verify(self) -> None:
        """Raises MonitoringError where there were events and not one of them could be read."""
        if self.events and not self.rows and not self.left_out:
            raise MonitoringError(
                f"none of {self.events:,} captured events could be read: {'; '.join(self._reasons())}"
            )

    def notes(self) -> tuple[str, ...]:
        """Returns sentences about what a person should know, the mapping of columns first."""
        found = [*self.warnings, *(f"{reason}" for reason in self._reasons())]
        if self.by_hour:
            found.append(f"{self.by_hour:,} of {self.events:,} events have no time: the hour of their object serves")
        if self.mismatches:
            found.append(
                f"{self.mismatches:,} of {self.events:,} events have another number of outputs than of rows: their predictions "
                "are left out"
            )
        if self.left_out:
            found.append(f"{self.left_out:,} of {self.events:,} events were left out by {NAME}")
        return tuple(found)

    def _reasons(self) -> Iterator[str]:
        for reason, count in self.failures.items():
            yield f"{count:,} of {self.events:,} events: {reason} in {NAME}, event {self.first[reason]}"
        for reason, count in self.unread.items():
            yield f"{count:,} of {self.events:,} events: {reason}, first {self.first[reason]}"


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
        self._positions: dict[tuple[int, int], Positions] = {}
        self._predictions: dict[str, None] = {}
        self.report = ManagedReport()

    def read(self, body: bytes, source: Source) -> ManagedObject:
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
                    raw.append((event, *_sides(event)))
                elif rows:
                    read.append(_Read(event, rows))
                else:
                    self.report.left_out += 1
            except HandlerError as error:
                self.report.count(self.report.failures, str(error), event.event_id)
            except PayloadError as error:
                self.report.count(self.report.unread, str(error), event.event_id)
        width = _usual_width(raw)
        read += [found for entry in raw if (found := self._named(*entry, width)) is not None]
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

    def _named(self, event: ManagedEvent, inputs: list[Row], outputs: list[Row], width: int | None) -> _Read | None:
        """Returns the rows of an event under the names of the baseline; None where its width is not the usual one."""
        outputs = _aligned(outputs, len(inputs))
        if not inputs:
            inputs = [{} for _ in outputs]
        if len(outputs) not in (0, len(inputs)):
            self.report.mismatches += 1
            outputs = []
        widths = {len(row) for row in inputs if isinstance(row, list)}
        if widths - {width}:
            reason = f"{max(widths - {width})} input values where others have {width}"
            self.report.count(self.report.unread, reason, event.event_id)
            return None
        rows = []
        for number, row in enumerate(inputs):
            output = outputs[number] if outputs else {}
            names = self._names(row, output, event.event_id)
            rows.append({**_under(row, names.inputs), **self._predicted(output, names.outputs)})
        return _Read(event, rows)

    def _names(self, row: Row, output: Row, example: str) -> Positions:
        shape = len(row) if isinstance(row, list) else -1, len(output) if isinstance(output, list) else 0
        found = self._positions.get(shape)
        if found is None:
            given = (
                positions(self._columns, *shape, example) if shape[0] >= 0 else Positions((), output_names(shape[1]))
            )
            found = self._positions[shape] = given
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

    def _object(self, read: list[_Read], source: Source) -> ManagedObject:
        rows = [row for found in read for row in found.rows]
        self.report.rows += len(rows)
        there = {name: None for row in rows for name in row}
        order = [name for name in self._columns.names if name in there]
        columns = [*order, *(name for name in there if name not in set(order))]
        predictions = tuple(name for name in columns if name in self._predictions or name in self._columns.predictions)
        table = table_of(self._fixed(read, source), rows, columns, self._columns.text)
        return ManagedObject(table, predictions)

    def _fixed(self, read: list[_Read], source: Source) -> list[tuple[str, pa.Array]]:
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


def _sides(event: ManagedEvent) -> tuple[list[Row], list[Row]]:
    """Returns the rows of an event's input and output."""
    if event.batch_transform_output is not None:
        return _batch_sides(event.batch_transform_output)
    outputs = [] if event.endpoint_output is None else rows_of(event.endpoint_output)
    if event.endpoint_input is None:
        return [], outputs
    return rows_of(event.endpoint_input, len(outputs) or None), outputs


def _batch_sides(captured: CapturedText) -> tuple[list[Row], list[Row]]:
    """Returns the rows of batch transform. Where input and output are joined, the output stands in `SageMakerOutput`."""
    if captured.encoding.upper() == "CSV":
        return [], rows_of(captured)
    inputs: list[Row] = []
    outputs: list[Row] = []
    for document in documents_of(text_of(captured)):
        if not isinstance(document, dict) or _BATCH_OUTPUT not in document:
            outputs += rows_of_document(document)
            continue
        predicted = rows_of_document(document[_BATCH_OUTPUT])
        rest = {key: value for key, value in document.items() if key != _BATCH_OUTPUT}
        inputs += rows_of_document(rest, len(predicted)) if rest else []
        outputs += predicted
    return inputs, outputs


def _aligned(outputs: list[Row], rows: int) -> list[Row]:
    """Returns an output row for each input row where one row of values holds them all ("0.1,0.9" for two rows)."""
    if rows > 1 and len(outputs) == 1 and isinstance(outputs[0], list) and len(outputs[0]) == rows:
        return [[value] for value in outputs[0]]
    return outputs


def _usual_width(raw: Sequence[tuple[ManagedEvent, list[Row], list[Row]]]) -> int | None:
    """Returns the number of values that most positional input rows have."""
    widths = Counter(len(row) for _, inputs, _ in raw for row in inputs if isinstance(row, list))
    return max(widths, key=lambda width: (widths[width], width), default=None)


def _under(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    if isinstance(row, list):
        return dict(zip(names, row, strict=True))
    return {dataset.feature_column(str(key)): value for key, value in row.items()}


def _prediction_name(key: str) -> str:
    """Returns the column of a named output; our own column names stay as they are."""
    return key if dataset.is_prediction(key) else dataset.prediction_column(key)
