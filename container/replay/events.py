"""Captured rows as events again: what `predict_fn` was given, rebuilt from the dataset.

The dataset does not keep the caller's container. `FeatureContainer` says which one to build: `features` (a `Features` of request-level
and item-level values), `rows` (a list of mappings), `row` (one mapping), `frame` (a pandas DataFrame), `array` (a float64 array
of shape (rows, columns)). `auto` is for `shapes`, which finds out.

Values come back as the dataset holds them: a JSON integer was captured as a double and is one again. Rescued cells return to
their columns; nested values are JSON again; a renamed feature has its own name.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capture import Features, dataset
from capture.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from capture.reading.captured_object import CapturedObject


class ReplayError(CaptureError):
    """Captured rows cannot be replayed; the message says why."""


class FeatureContainer(StrEnum):
    """The container that `predict_fn` is given."""

    AUTO = "auto"
    FEATURES = "features"
    ROWS = "rows"
    ROW = "row"
    FRAME = "frame"
    ARRAY = "array"


@dataclass(frozen=True, slots=True)
class ReplayEvent:
    """One event: its id, its request-level values, the values of its items and their captured predictions, a mapping each."""

    event_id: str
    inference_id: str | None
    model_name: str
    request: dict[str, Any]
    items: list[dict[str, Any]]
    predictions: list[dict[str, Any]]


def events_of(
    captured: CapturedObject, start: dt.datetime | None = None, end: dt.datetime | None = None
) -> Iterator[ReplayEvent]:
    """Yields the events of one object whose time t is `start <= t < end`, in the order of its rows.

    Raises ReplayError where a feature was captured as a hash: what the model saw is not there.
    """
    features = captured.feature_columns
    hashed = sorted(set(features) & set(captured.hashed_columns))
    if hashed:
        raise ReplayError(f"{captured.key}: {hashed[0]} was captured as a hash, so the model's input is not known")
    names = {column: captured.renamed.get(column, column) for column in features}
    request_columns = [column for column in captured.request_columns if column in names]
    item_columns = [column for column in features if column not in captured.request_columns]
    table = captured.table()
    if start is not None:
        table = table.filter(pc.greater_equal(table[dataset.EVENT_TIME], pa.scalar(start)))
    if end is not None:
        table = table.filter(pc.less(table[dataset.EVENT_TIME], pa.scalar(end)))
    values = {column: _values(table[column].to_pylist(), column in captured.json_columns) for column in features}
    predicted = {column: table[column].to_pylist() for column in captured.prediction_columns}
    ids = table[dataset.EVENT_ID].to_pylist()
    inference_ids = table[dataset.INFERENCE_ID].to_pylist()
    models = table[dataset.MODEL_NAME].to_pylist()
    rescued = (
        table[dataset.RESCUED_DATA].to_pylist() if dataset.RESCUED_DATA in table.column_names else [None] * len(ids)
    )
    first = 0
    while first < len(ids):
        last = first + 1
        while last < len(ids) and ids[last] == ids[first]:
            last += 1
        request = {names[column]: values[column][first] for column in request_columns}
        items = [{names[column]: values[column][at] for column in item_columns} for at in range(first, last)]
        for item, text in zip(items, rescued[first:last], strict=True):
            _restore(request, item, text)
        predictions = [{name: cells[at] for name, cells in predicted.items()} for at in range(first, last)]
        yield ReplayEvent(ids[first], inference_ids[first], models[first], request, items, predictions)
        first = last


def build(event: ReplayEvent, shape: FeatureContainer, feature_names: Sequence[str] | None = None) -> Any:
    """Returns what `predict_fn` is given for an event. `feature_names` orders the columns of a frame or an array."""
    if shape is FeatureContainer.FEATURES:
        return Features(request=event.request, items=event.items)
    rows = [event.request | item for item in event.items]
    if shape is FeatureContainer.ROWS:
        return rows
    if shape is FeatureContainer.ROW:
        if len(rows) != 1:
            raise ReplayError(
                f"event {event.event_id} has {len(rows)} items, and --shape row gives a model one mapping"
            )
        return rows[0]
    names = list(feature_names) if feature_names else list(rows[0])
    if shape is FeatureContainer.FRAME:
        import pandas as pd

        return pd.DataFrame(rows, columns=names)
    try:
        return np.array([[_number(row.get(name)) for name in names] for row in rows], np.float64)
    except (TypeError, ValueError) as error:
        raise ReplayError(f"event {event.event_id} does not make an array of numbers: {error}") from error


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _values(cells: list[Any], nested: bool) -> list[Any]:
    return [None if cell is None else json.loads(cell) for cell in cells] if nested else cells


def _restore(request: dict[str, Any], item: dict[str, Any], text: str | None) -> None:
    """Puts rescued cells back. Predictions and names that the table did not take stand there too."""
    if text is None:
        return
    for name, value in json.loads(text).items():
        if name in request:
            request[name] = value
        elif not dataset.is_prediction(name):
            item[name] = value
