"""Captured data and ground truth for tests: small Parquet objects in the dataset's layout, and label files."""

from __future__ import annotations

import datetime as dt
import io
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture import dataset
from monitoring.storage import open_storage
from monitoring.window import Window

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
WINDOW = Window(NOON, NOON + dt.timedelta(hours=2))
LATER = NOON + dt.timedelta(days=3)


def event_id(time: dt.datetime, number: int) -> str:
    """A UUIDv7 of this time."""
    return str(uuid.UUID(int=int(time.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | number))


@dataclass
class Event:
    """One request: its items' predictions, and features by name."""

    predictions: Sequence[Any]
    features: dict[str, Sequence[Any]] = field(default_factory=dict)
    time: dt.datetime = NOON
    inference_id: str | None = None
    number: int = 0
    sampling: float = 100.0

    @property
    def id(self) -> str:
        return event_id(self.time, self.number)


def write_captured(uri: str, events: Sequence[Event], column: str = "prediction", batch: str = "b0") -> None:
    """Writes the events, an object an hour, below `uri` for endpoint `flights`, variant `AllTraffic`."""
    storage = open_storage(uri)
    hours: dict[dt.datetime, list[Event]] = {}
    for entry in events:
        hours.setdefault(entry.time.replace(minute=0, second=0, microsecond=0), []).append(entry)
    for hour, group in hours.items():
        sink = io.BytesIO()
        pq.write_table(_table(group, column), sink)
        key = f"{dataset.hour_prefix('flights', 'AllTraffic', dataset.to_microseconds(hour))}{batch}.parquet"
        storage.put(key, sink.getvalue())


def _table(events: Sequence[Event], column: str) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for entry in events:
        for item, prediction in enumerate(entry.predictions):
            rows.append(
                {
                    dataset.EVENT_ID: entry.id,
                    dataset.INFERENCE_ID: entry.inference_id,
                    dataset.EVENT_TIME: entry.time,
                    dataset.ITEM_INDEX: item,
                    dataset.ITEM_COUNT: len(entry.predictions),
                    dataset.ENDPOINT_NAME: "flights",
                    dataset.VARIANT_NAME: "AllTraffic",
                    dataset.MODEL_NAME: "delay",
                    dataset.MODEL_VERSION: "v3",
                    dataset.SAMPLING_PERCENTAGE: entry.sampling,
                    **{name: values[item] for name, values in entry.features.items()},
                    column: prediction,
                }
            )
    schema = {
        dataset.EVENT_ID: pa.string(),
        dataset.INFERENCE_ID: pa.string(),
        dataset.EVENT_TIME: pa.timestamp("us", "UTC"),
        dataset.ITEM_INDEX: pa.int32(),
        dataset.ITEM_COUNT: pa.int32(),
    }
    names = list(rows[0])
    arrays = [pa.array([row[name] for row in rows], schema.get(name)) for name in names]
    metadata = {dataset.METADATA_VERSION: "1", dataset.METADATA_PREDICTIONS: json.dumps([column])}
    return pa.table(dict(zip(names, arrays, strict=True))).replace_schema_metadata(metadata)


def label_line(event: str, data: Any, encoding: str = "JSON", **metadata: Any) -> str:
    """One line of Model Monitor's ground truth."""
    text = data if isinstance(data, str) else json.dumps(data)
    return json.dumps(
        {
            "groundTruthData": {"data": text, "encoding": encoding},
            "eventMetadata": {"eventId": event, **metadata},
            "eventVersion": "0",
        }
    )


def write_labels(uri: str, lines: Sequence[str], arrived: dt.datetime = LATER, name: str = "labels.jsonl") -> None:
    """Writes lines of ground truth into the upload hour `arrived`."""
    open_storage(uri).put(f"{arrived:%Y/%m/%d/%H}/{name}", "\n".join(lines).encode() + b"\n")


def binary_events(
    requests: int,
    rng: np.random.Generator,
    *,
    shift: float = 0.0,
    bias: float = 0.0,
    items: int = 6,
    season: float | None = None,
) -> tuple[list[Event], list[list[int]]]:
    """Requests with one numeric feature `x`, the probability of a calibrated model, and labels.

    `shift` moves the inputs, `bias` the log-odds of the labels for equal inputs. `season` is the mean of a further feature,
    which moves the labels and not the score.
    """
    events, labels = [], []
    for number in range(requests):
        x = rng.normal(shift, 1.0, items)
        p = 1 / (1 + np.exp(1.0 - 1.3 * x))
        hidden = rng.normal(0.0, 1.0, items) if season is not None else np.zeros(items)
        truth = 1 / (1 + np.exp(1.0 - bias - 1.3 * x - 0.8 * hidden))
        time = NOON + dt.timedelta(seconds=int(7200 * number / requests))
        features = {"x": x.tolist(), "region": [("north", "south")[int(v > 0)] for v in rng.normal(size=items)]}
        if season is not None:
            features["season"] = (season + hidden).tolist()
        events.append(Event(p.tolist(), features, time=time, number=number))
        labels.append((rng.random(items) < truth).astype(int).tolist())
    return events, labels
