"""JSON Lines read back: the lines that `encoding/jsonl.py` wrote, as the table that Parquet would have held.

Lines of one event stand together. What JSON does not tell, a reader cannot know: numbers are doubles, times are text.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from capture import dataset
from capture.encoding.table_builder import TableBuilder
from capture.errors import CaptureError
from capture.record import Columns, Event, Header, Ragged, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from capture.encoding.table import ObjectTable


class LineError(CaptureError):
    """A line is not one of ours."""


class _CapturedPayload(msgspec.Struct):
    data: str
    encoding: str


class _CaptureData(msgspec.Struct, rename="camel"):
    endpoint_input: _CapturedPayload
    endpoint_output: _CapturedPayload | None = None


class _EventMetadata(msgspec.Struct, rename="camel"):
    event_id: str
    inference_id: str | None = None
    custom_attributes: list[str] | None = None


class _LineFacts(msgspec.Struct):
    event_time: str
    item_index: int
    item_count: int
    model_name: str
    model_version: str | None
    sampling_percentage: float
    ages: dict[str, float | None] = {}
    missing: dict[str, int] = {}
    request_columns: list[str] = []
    rescued_data: str | None = None


class _CapturedLine(msgspec.Struct, rename="camel"):
    capture_data: _CaptureData
    event_metadata: _EventMetadata
    capture: _LineFacts


_lines = msgspec.json.Decoder(_CapturedLine)
_object = msgspec.json.Decoder(dict[str, Any])


def table_of_lines(body: bytes, key: dataset.ObjectKey) -> ObjectTable:
    """The table of an object's lines; `LineError` where a line is not one of ours."""
    lines = list(_parsed(body, key))
    facts = lines[0].capture if lines else _LineFacts("", 0, 0, "", None, 100.0)
    header = Header(
        destination="file:///read",  # a header needs one; nothing is written there
        format="jsonl",
        endpoint_name=key.endpoint,
        variant_name=key.variant,
        model_name=facts.model_name,
        model_version=facts.model_version,
        kms_key_id=None,
        sampling_percentage=facts.sampling_percentage,
        max_columns=max(1, len(body)),
        types={},
        hashed=(),
        writer_version="",
    )
    table = TableBuilder(header)
    starts = [number for number, line in enumerate(lines) if line.capture.item_index == 0]
    for first, following in pairwise([*starts, len(lines)]):
        table.add(_event(first, lines[first:following]))
    return table.finish()


def count_lines(body: bytes) -> int:
    """How many lines an object has."""
    return body.count(b"\n")


def _parsed(body: bytes, key: dataset.ObjectKey) -> Iterator[_CapturedLine]:
    for number, text in enumerate(body.splitlines(), 1):
        try:
            yield _lines.decode(text)
        except msgspec.MsgspecError as error:
            raise LineError(f"line {number} of {key} is not one of ours: {error}") from error


def _event(number: int, lines: Sequence[_CapturedLine]) -> Event:
    first = lines[0]
    facts, metadata = first.capture, first.event_metadata
    inputs = [_object.decode(line.capture_data.endpoint_input.data) for line in lines]
    shared = {name: inputs[0][name] for name in facts.request_columns if name in inputs[0]}
    items: list[dict[str, Any]] = [
        {name: value for name, value in row.items() if name not in shared or value != shared[name]} for row in inputs
    ]
    return Event(
        writer="",
        number=number,
        event_id=_bare(metadata.event_id, facts),
        event_time=dataset.to_microseconds(dataset.parse_time(facts.event_time)),
        inference_id=None if metadata.inference_id is None else _bare(metadata.inference_id, facts),
        custom_attributes=metadata.custom_attributes[0] if metadata.custom_attributes else None,
        model_name=facts.model_name,
        ages=facts.ages,
        missing=facts.missing,
        request=Rows(tuple(shared), [tuple(shared.values())]) if shared else None,
        items=Ragged(items if facts.item_count else []),
        predictions=_predictions(lines),
    )


def _predictions(lines: Sequence[_CapturedLine]) -> Ragged | Columns:
    rescued = lines[0].capture.rescued_data
    if rescued is not None:
        columns = {_output(name): values for name, values in _object.decode(rescued).items()}
        return Columns(tuple(columns), list(columns.values()), max(map(len, columns.values()), default=0))
    outputs = [line.capture_data.endpoint_output for line in lines]
    rows = [_object.decode(found.data) if found else {} for found in outputs]
    return Ragged([{_output(name): value for name, value in row.items()} for row in rows])


def _output(column: str) -> str:
    """The output's name in a column's: the inverse of `dataset.prediction_column`."""
    return column.removeprefix(dataset.PREDICTION).removeprefix("_")


def _bare(name: str, facts: _LineFacts) -> str:
    return name.removesuffix(f"#{facts.item_index}") if facts.item_count > 1 else name
