"""A month of the flights as an endpoint would have captured it: real journal, shipper and ledgers, the model's own answers.

An event's id is a UUIDv7 of the hour in which the flights leave, so the capture files it under that hour of 2013. Labels arrive
the next morning, as Model Monitor's lines.
"""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from capture import CaptureBuffer, CaptureConfig, Features, Lookup
from examples.flights import data
from examples.flights.train import TrainedModel

ENDPOINT, VARIANT = "flights", "AllTraffic"
LABELS_AFTER = dt.timedelta(hours=30)
"""From the start of a day (UTC) to the arrival of its labels."""
_TYPES = data.FEATURES | {"prediction_risk": "float32", "prediction_rank": "int64"}
_LIMIT = 300.0


@dataclass(frozen=True)
class Request:
    """One airport in one hour: what the model was given, what it said, and what became known."""

    at: dt.datetime
    name: str
    request: dict[str, Any]
    items: tuple[dict[str, Any], ...]
    predictions: tuple[dict[str, Any], ...]
    late: tuple[int | None, ...]
    lookups: dict[str, Lookup] = field(default_factory=dict)

    @property
    def event_id(self) -> str:
        """A UUIDv7 of the request's time."""
        milliseconds = int(self.at.timestamp() * 1000)
        number = int.from_bytes(self.name.encode()[:7].rjust(7, b"\0"))
        return str(uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | number))


def utc_hours(rows: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """Returns the hour of each row of `data.flights()` in UTC."""
    local = pd.to_datetime(rows["hour_key"], format="%Y-%m-%dT%H")
    zoned = local.dt.tz_localize("America/New_York", nonexistent="shift_forward", ambiguous=False)
    hours: pd.Series[pd.Timestamp] = zoned.dt.tz_convert("UTC")
    return hours


def requests_of(model: TrainedModel, rows: pd.DataFrame) -> list[Request]:
    """Returns the requests of these rows of `data.flights()`, in the order of time."""
    table = data.featured(rows)
    risk = pd.Series(model.risk(table).astype(np.float32), index=table.index)
    hours = utc_hours(rows)
    found = []
    plain = table.astype(object).where(table.notna(), None)
    for (key, airport), part in rows.groupby(["hour_key", "origin"], sort=True):
        index = part.index
        values = plain.loc[index, list(data.FEATURES)].to_dict("records")
        ranks = risk[index].rank(method="first", ascending=False).astype(int)
        shared = {name: values[0][name] for name in data.REQUEST_FEATURES}
        found.append(
            Request(
                at=hours[index[0]].to_pydatetime(),
                name=f"{airport}|{key}",
                request=shared,
                items=tuple({name: row[name] for name in data.ITEM_FEATURES} for row in values),
                predictions=tuple(
                    {"risk": float(value), "rank": int(rank)} for value, rank in zip(risk[index], ranks, strict=True)
                ),
                late=tuple(None if pd.isna(value) else int(value) for value in part["late"]),
                lookups=_lookups(shared, values),
            )
        )
    return sorted(found, key=lambda request: (request.at, request.name))


def _lookups(shared: dict[str, Any], values: list[dict[Any, Any]]) -> dict[str, Lookup]:
    """Returns what the stores answered: an hour without a temperature has no weather record, a plane without seats no plane record."""
    unknown = sum(row["seats"] is None for row in values)
    return {"weather": Lookup(None, int(shared["temp"] is None)), "planes": Lookup(None, unknown)}


def without_weather(request: Request) -> Request:
    """Returns the request as a weather store that answers nothing leaves it."""
    shared = {name: None if name in data.WEATHER else value for name, value in request.request.items()}
    return replace(request, request=shared, lookups=request.lookups | {"weather": Lookup(None, 1)})


def with_text(request: Request) -> Request:
    """Returns the request as a client sends it that writes `distance` as text."""
    items = tuple(row | {"distance": f"{row['distance']} mi"} for row in request.items)
    return replace(request, items=items)


def without_column(request: Request, name: str) -> Request:
    """Returns the request as a `features_fn` leaves it that forgets an item-level column."""
    return replace(request, items=tuple({key: row[key] for key in row if key != name} for row in request.items))


def capture(requests: list[Request], folder: Path) -> str:
    """Captures requests below `folder` and returns the URI. Raises TimeoutError where the shipper does not end."""
    spool = folder / "spool"
    config = CaptureConfig(
        destination=f"file://{folder}/captured", spool_dir=spool, max_age_seconds=1.0, endpoint_name=ENDPOINT,
        model_name="flights-delay", model_version="1", types=_TYPES,
    )  # fmt: skip
    buffer = CaptureBuffer(config)
    for request in requests:
        features = Features(request.request, list(request.items))
        kept = buffer.append(
            features, list(request.predictions), event_id=request.event_id, inference_id=request.name,
            lookups=request.lookups or None,
        )  # fmt: skip
        if not kept:
            raise ValueError(f"{request.name} was not captured")
    buffer.close(_LIMIT)
    deadline = time.monotonic() + _LIMIT
    while spool.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the shipper did not end within {_LIMIT:.0f} s")
        time.sleep(0.1)
    return f"file://{folder}/captured"


def write_labels(requests: list[Request], folder: Path) -> str:
    """Writes the labels of requests, each day's as uploaded `LABELS_AFTER` its start, and returns their URI."""
    days: dict[dt.date, list[str]] = {}
    for request in requests:
        instances = json.dumps({"instances": [{"late": value} for value in request.late]})
        line = {
            "groundTruthData": {"data": instances, "encoding": "JSON"},
            "eventMetadata": {"eventId": request.name},
            "eventVersion": "0",
        }
        days.setdefault(request.at.date(), []).append(json.dumps(line))
    for day, lines in days.items():
        uploaded = dt.datetime.combine(day, dt.time(), dt.UTC) + LABELS_AFTER
        place = folder / "labels" / f"{uploaded:%Y/%m/%d/%H}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "labels.jsonl").write_text("\n".join(lines) + "\n")
    return f"file://{folder}/labels"
