"""A batch of events as objects, one for each hour: key and bytes follow from the arguments and from nothing else.

So a batch that is encoded again, by another process after a crash, overwrites its objects with the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from capture import dataset
from capture.encoding import jsonl, parquet
from capture.encoding.table import ObjectCounts
from capture.encoding.table_builder import TableBuilder
from capture.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from capture.record import Event, Header


class EncodingError(CaptureError):
    """A batch cannot be encoded. One of its events is at fault, unless it is alone: split the batch to find it."""


@dataclass(frozen=True, slots=True)
class EncodedObject:
    """One object to upload: its key below the destination, its bytes, and what the ledger and the counters say of it.

    `event_times` are the first and the last in microseconds since 1970 UTC. `events` counts events without items too,
    which have no row.
    """

    key: str
    body: bytes
    content_type: str
    rows: int
    events: int
    event_times: tuple[int, int]
    counts: ObjectCounts


class _Builder(Protocol):
    """One object while it is made."""

    def add(self, event: Event) -> None: ...

    def finish(self) -> tuple[bytes, int, ObjectCounts]: ...


class _ParquetBuilder:
    def __init__(self, header: Header) -> None:
        self._version = header.writer_version
        self._table = TableBuilder(header)
        self.add = self._table.add

    def finish(self) -> tuple[bytes, int, ObjectCounts]:
        made = self._table.finish()
        return parquet.encode(made, self._version), made.table.num_rows, made.counts


@dataclass(slots=True)
class _Hour:
    """The events of an hour: how many, and their first and last time."""

    builder: _Builder
    first: int
    last: int
    events: int = 0


def encode_objects(header: Header, batch_id: str, events: Iterable[Event]) -> list[EncodedObject]:
    """The objects of a batch, in the order of their hours.

    `events` is read once, one event at a time, and may be a generator: then no more than some 400,000 cells of it are
    held as Python objects. The order of events is the order of rows.

    Raises `EncodingError` where an event cannot be encoded, `ImportError` where a package cannot be imported.
    """
    make = _ParquetBuilder if header.format == "parquet" else jsonl.LinesBuilder
    hours: dict[int, _Hour] = {}
    try:
        for event in events:
            time = event.event_time
            start = time - time % dataset.HOUR
            hour = hours.get(start)
            if hour is None:
                hour = hours[start] = _Hour(make(header), time, time)
            hour.builder.add(event)
            hour.events += 1
            if time < hour.first:
                hour.first = time
            elif time > hour.last:
                hour.last = time
        return [_object(header, batch_id, start, hours.pop(start)) for start in sorted(hours)]
    except (CaptureError, MemoryError, OSError, ImportError):  # an installation that cannot encode is no event's fault
        raise
    except Exception as error:
        raise EncodingError(f"batch {batch_id} cannot be encoded: {type(error).__name__}: {error}") from error


def _object(header: Header, batch_id: str, start: int, hour: _Hour) -> EncodedObject:
    key = dataset.ObjectKey(header.endpoint_name, header.variant_name, start, batch_id, header.format)
    body, rows, counts = hour.builder.finish()
    content_type = dataset.CONTENT_TYPES[header.format]
    return EncodedObject(str(key), body, content_type, rows, hour.events, (hour.first, hour.last), counts)
