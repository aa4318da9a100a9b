"""Headers, events and objects for the tests of what lies behind the journal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow.parquet as pq

from capture import dataset, ledger
from capture.encoding import EncodedObject, encode_objects
from capture.ledger import Ledger, ObjectEntry, WriterEntry
from capture.record import Block, Event, Header, Rows
from capture.sinks import Sink

NOON = 1_767_268_800_000_000
"""2026-01-01 12:00 UTC in microseconds."""
SECOND = 1_000_000
HOUR = 3_600 * SECOND


def header(**changes: Any) -> Header:
    """A segment's header; `changes` replace what the tests do not care for."""
    fields: dict[str, Any] = {
        "destination": "file:///nowhere",
        "format": "parquet",
        "endpoint_name": "flights",
        "variant_name": "AllTraffic",
        "model_name": "ranker",
        "model_version": None,
        "kms_key_id": None,
        "sampling_percentage": 100.0,
        "max_columns": 1000,
        "types": {},
        "hashed": (),
        "writer_version": "0.1.0",
    }
    return Header(**{**fields, **changes})


def rows(*mappings: Mapping[str, Any]) -> Rows:
    """Rows of mappings that share their names."""
    return Rows(tuple(mappings[0]), [tuple(mapping.values()) for mapping in mappings])


def predictions(*values: Any) -> Rows:
    """One unnamed output."""
    return Rows(("",), [(value,) for value in values])


def event(
    items: Block | Mapping[str, Any],
    outputs: Block | None = None,
    request: Mapping[str, Any] | None = None,
    number: int = 1,
    time: int | None = None,
    **more: Any,
) -> Event:
    """One event; a mapping is one row; without `outputs` each item's prediction is 0.5."""
    block = rows(items) if isinstance(items, Mapping) else items
    given: dict[str, Any] = {
        "writer": "writer-1",
        "number": number,
        "event_id": f"event-{number}",
        "event_time": NOON + number * SECOND if time is None else time,
        "inference_id": None,
        "custom_attributes": None,
        "model_name": None,
        "ages": {},
        "missing": {},
        "request": None if request is None else rows(request),
        "items": block,
        "predictions": predictions(*[0.5] * len(block)) if outputs is None else outputs,
    }
    return Event(**{**given, **more})


def encode(*events: Event, batch: str = "batch-1", **changes: Any) -> EncodedObject:
    """The one object of events of one hour."""
    (made,) = encode_objects(header(**changes), batch, events)
    return made


def table(made: EncodedObject) -> Any:
    """A Parquet object's table."""
    return pq.read_table(io.BytesIO(made.body))


def types(made: EncodedObject) -> dict[str, str]:
    """The Arrow types of a Parquet object's features and predictions."""
    return {field.name: str(field.type) for field in table(made).schema if not field.name.startswith("capture_")}


def values(made: EncodedObject, column: str) -> list[Any]:
    """A column of a Parquet object."""
    return list(table(made).column(column).to_pylist())


def rescued(made: EncodedObject) -> list[Any]:
    """The rescued data of a Parquet object, parsed, row by row."""
    return [None if text is None else json.loads(text) for text in values(made, "capture_rescued_data")]


def metadata(made: EncodedObject) -> dict[str, Any]:
    """The dataset's own key-value metadata of a Parquet object, lists parsed."""
    found = pq.ParquetFile(io.BytesIO(made.body)).metadata.metadata
    texts = {name.decode(): text.decode() for name, text in found.items() if name.startswith(b"capture.")}
    return {name: json.loads(text) if text[0] in "[{" else text for name, text in texts.items()}


def one_by_one(items: Iterable[Mapping[str, Any]], **more: Any) -> list[Event]:
    """An event of one row for each mapping."""
    return [event(item, number=number, **more) for number, item in enumerate(items, 1)]


def entry(kept: int, shipped: int | None = None, **more: Any) -> WriterEntry:
    """A writer's counters: `kept` records, of which the first `shipped` (else all) are shipped."""
    done = kept if shipped is None else shipped
    given: dict[str, Any] = {
        "appended": kept + sum(more.get("refused", {}).values()),
        "kept": kept,
        "sampled_out": 0,
        "refused": {},
        "shipped": [(1, done)] if done else [],
        "lost": [],
        "open": True,
    }
    return WriterEntry(**{**given, **more})


def write_ledger(
    place: Sink,
    objects: Iterable[EncodedObject] = (),
    day: int = NOON,
    *,
    until: int,
    spool: str = "spool-1",
    **more: Any,
) -> Ledger:
    """Puts a spool's ledger of one day, as of `until`."""
    made = list(objects)
    given: dict[str, Any] = {
        "spool": spool,
        "endpoint_name": "flights",
        "variant_name": "AllTraffic",
        "as_of": until,
        "complete_until": until,
        "closed": False,
        "objects": {one.key: ObjectEntry(one.rows, one.events, one.event_times) for one in made},
        "writers": {"writer-1": entry(sum(one.events for one in made))},
    }
    written = Ledger(**{**given, **more})
    key = dataset.LedgerKey(written.endpoint_name, written.variant_name, day // dataset.DAY * dataset.DAY, spool)
    place.put(str(key), ledger.encode(written), "application/json")
    return written


def write_objects(place: Sink, events: Iterable[Event], batch: str = "batch-1", **changes: Any) -> list[EncodedObject]:
    """Encodes a batch and puts its objects."""
    made = encode_objects(header(**changes), batch, events)
    for one in made:
        place.put(one.key, one.body, one.content_type)
    return made
