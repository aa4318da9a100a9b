"""Captured data read again: the objects of a time window as Arrow, one event by its id, and whether anything is missing.

    dataset = Dataset("s3://bucket/prefix")
    for found in dataset.read(start, end, endpoint="flights"):
        for batch in found.batches():
            ...
    dataset.completeness(start, end).gaps

A window is [start, end), aware times; None leaves it open at that side. Objects are found by the hours of their keys and
read whole, a few ahead of the caller. Each comes in its own types: nothing here casts one object's column to another's.
"""

from __future__ import annotations

import datetime as dt
import io
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capture import dataset, ledger
from capture.reading.captured_object import CapturedObject, ReadError
from capture.reading.completeness import Completeness, Gap, GapKind, VariantEvidence, judge
from capture.reading.jsonl_reader import count_lines
from capture.sinks import MissingObject, SinkError, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from capture.dataset import ObjectKey
    from capture.ledger import Ledger
    from capture.sinks import Source

__all__ = [
    "CapturedObject",
    "Completeness",
    "Dataset",
    "FoundObject",
    "Gap",
    "GapKind",
    "ReadError",
    "SinkError",
    "UnreadableObject",
]

AHEAD = 4
"""Objects that are fetched while one is read."""
_FOOTER = 64 << 10
_MAX_HOURS = 72
_MAX_DAYS = 92
_MAX_LOOKED_AT = 1000
_FIRST, _LAST = -(2**62), 2**62
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class UnreadableObject:
    """An object that is there and cannot be read as captured data, and why."""

    key: ObjectKey
    why: str


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object that is there: its key in parts and its bytes."""

    key: ObjectKey
    size: int


class Dataset:
    """Captured data below a URI: `s3://bucket/prefix`, `file:///directory`, or a directory's path.

    `clock` gives nanoseconds since 1970 UTC; only with it a judgement tells an instance that is alive from a silent one.

    Every method raises `SinkError` where the place cannot be read, and `ReadError` where an object is none of ours.
    """

    def __init__(self, uri: str, source: Source | None = None, clock: Callable[[], int] | None = None) -> None:
        self._source = open_source(uri) if source is None else source
        self._clock = clock
        self.uri = self._source.uri

    def variants(self, endpoint: str | None = None, variant: str | None = None) -> list[tuple[str, str]]:
        """The endpoints and variants of which there is an object or a ledger, narrowed to those asked for."""
        found: set[tuple[str, str]] = set()
        for above in ("", f"{dataset.LEDGER_PREFIX}/"):
            endpoints = self._source.folders(above) if endpoint is None else [endpoint]
            for name in endpoints:
                if name != dataset.LEDGER_PREFIX:
                    found.update((name, entry) for entry in self._source.folders(f"{above}{name}/"))
        return sorted(entry for entry in found if variant is None or entry[1] == variant)

    def objects(
        self,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        *,
        endpoint: str | None = None,
        variant: str | None = None,
    ) -> Iterator[FoundObject]:
        """The objects whose hour lies in the window at least in part, by endpoint, variant and time."""
        first, last = _window(start, end)
        for name, entry in self.variants(endpoint, variant):
            for prefix in _prefixes(f"{name}/{entry}/", first, last):
                for text, size in self._source.list(prefix):
                    key = dataset.parse_object_key(text)
                    if key is not None and first - dataset.HOUR < key.hour < last:
                        yield FoundObject(key, size)

    def tries(
        self,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        *,
        endpoint: str | None = None,
        variant: str | None = None,
    ) -> Iterator[CapturedObject | UnreadableObject]:
        """The objects of the window; of one that is damaged, or none of ours, why it cannot be read."""
        found = self.objects(start, end, endpoint=endpoint, variant=variant)
        return _ahead(self._try, (entry.key for entry in found))

    def _try(self, key: ObjectKey) -> CapturedObject | UnreadableObject:
        try:
            found = self.open(key)
            return found if found.whole() else UnreadableObject(key, f"{key} has rows that cannot be read")
        except MissingObject as error:
            return UnreadableObject(key, str(error))
        except SinkError:
            raise
        except Exception as error:  # whatever foreign bytes do to a decoder
            return UnreadableObject(key, str(error).splitlines()[0] if str(error) else type(error).__name__)

    def read(
        self,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        *,
        endpoint: str | None = None,
        variant: str | None = None,
    ) -> Iterator[CapturedObject]:
        """The objects of the window, each read; their rows may reach beyond it by less than an hour."""
        found = self.objects(start, end, endpoint=endpoint, variant=variant)
        return _ahead(self.open, (entry.key for entry in found))

    def open(self, key: ObjectKey) -> CapturedObject:
        """One object."""
        return CapturedObject(key, self._source.get(str(key)))

    def schemas(self, keys: Iterable[ObjectKey]) -> Iterator[pa.Schema]:
        """The Arrow schemas of Parquet objects, by their footers alone."""
        return _ahead(lambda key: pq.read_schema(io.BytesIO(self._footer(str(key)))), keys)

    def batches(
        self,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        *,
        endpoint: str | None = None,
        variant: str | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows whose event time lies in the window, and only those, in each object's own types."""
        first, last = _window(start, end)
        for found in self.read(start, end, endpoint=endpoint, variant=variant):
            inside = first <= found.key.hour and found.key.hour + dataset.HOUR <= last
            for batch in found.batches():
                rows = batch if inside else batch.filter(_between(batch, start, end))
                if rows.num_rows:
                    yield rows

    def event(
        self,
        event_id: str,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        *,
        endpoint: str | None = None,
        variant: str | None = None,
    ) -> pa.Table | None:
        """The rows of one event by its event id, or by its inference id; None where there is none.

        An id of ours tells its hour, and only that is read first; any other is looked for in the whole window. An id with
        an item's number (`{id}#3`) means that item.
        """
        hour = _hour_of_id(event_id.partition("#")[0])
        unreadable: list[UnreadableObject] = []
        if hour is not None and start is None and end is None:
            near = dataset.to_datetime(hour), dataset.to_datetime(hour + dataset.HOUR)
            table = self._event(event_id, self.tries(*near, endpoint=endpoint, variant=variant), unreadable)
            if table is not None:
                return table
        unreadable.clear()
        table = self._event(event_id, self.tries(start, end, endpoint=endpoint, variant=variant), unreadable)
        if table is None and unreadable:
            raise ReadError(
                f"event {event_id} was not found, and {len(unreadable)} objects cannot be read: {unreadable[0].why}"
            )
        return table

    def ledgers(
        self, start: dt.datetime, end: dt.datetime, *, endpoint: str | None = None, variant: str | None = None
    ) -> list[Ledger]:
        """The ledgers of the window's days."""
        first, last = _window(start, end)
        return [
            entry
            for name, kind in self.variants(endpoint, variant)
            for day in range(first // dataset.DAY * dataset.DAY, last, dataset.DAY)
            for entry in self._ledgers(name, kind, day)[0]
        ]

    def completeness(
        self,
        start: dt.datetime,
        end: dt.datetime,
        *,
        endpoint: str | None = None,
        variant: str | None = None,
    ) -> Completeness:
        """Whether the window is complete, and every gap by name. Reads ledgers, listings, and of objects the row counts.

        With a clock, an instance that is alive and whose data does not reach the window's end yet is *not complete yet*
        instead of *silent*.
        """
        first, last = _window(start, end)
        names = self.variants(endpoint, variant)
        if not names and endpoint is not None and variant is not None:
            names = [(endpoint, variant)]
        evidence = [self._evidence(name, kind, first, last) for name, kind in names]
        return judge(first, last, evidence, None if self._clock is None else self._clock() // 1000)

    def span(
        self, *, endpoint: str | None = None, variant: str | None = None
    ) -> tuple[dt.datetime, dt.datetime] | None:
        """The first and last hour of which there is an object, or of which a ledger lists one, as a window; else None.

        So objects that were deleted are in the window, and are missed there.
        """
        hours = [found.key.hour for found in self.objects(endpoint=endpoint, variant=variant)]
        hours += [dataset.hour_of(dataset.to_microseconds(time)) for time in self.listed_times(endpoint, variant)]
        return (dataset.to_datetime(min(hours)), dataset.to_datetime(max(hours) + dataset.HOUR)) if hours else None

    def listed_times(self, endpoint: str | None = None, variant: str | None = None) -> list[dt.datetime]:
        """Returns event times of the objects that the ledgers list, the first and the last among them."""
        found = [time for name, kind in self.variants(endpoint, variant) for time in self._listed_times(name, kind)]
        return [dataset.to_datetime(time) for time in found]

    def _listed_times(self, endpoint: str, variant: str) -> list[int]:
        """The event times of the first and the last day of which a ledger lists an object."""
        keys = (
            dataset.parse_ledger_key(key)
            for key, _ in self._source.list(f"{dataset.LEDGER_PREFIX}/{endpoint}/{variant}/")
        )
        days = sorted({key.day for key in keys if key is not None})
        found: list[int] = []
        for ordered in (days, days[::-1]):
            for day in ordered:
                entries = [entry for one in self._ledgers(endpoint, variant, day)[0] for entry in one.objects.values()]
                found += [time for entry in entries for time in entry.event_times]
                if entries:
                    break
        return found

    def has_ledgers(self, variants: Iterable[tuple[str, str]]) -> bool:
        """Returns whether there is a ledger of any of these endpoints and variants."""
        for name, kind in variants:
            keys = self._source.list(f"{dataset.LEDGER_PREFIX}/{name}/{kind}/")
            if any(dataset.parse_ledger_key(key) for key, _ in keys):
                return True
        return False

    def lies_there(self) -> str:
        """Says what lies below the URI, for a person whose URI holds no captured data."""
        names = sorted(
            {key.partition("/")[0] + "/" * ("/" in key) for key, _ in islice(self._source.list(), _MAX_LOOKED_AT)}
        )
        if not names:
            return "nothing lies there"
        for key, _ in islice(self._source.list(), _MAX_LOOKED_AT):
            parts = key.split("/")
            for deeper in (1, 2):
                if dataset.parse_object_key("/".join(["x"] * deeper + parts)):
                    return f"it lies too deep: give {self.uri.rsplit('/', deeper)[0]}"
            for higher in (1, 2, 3):
                if dataset.parse_object_key("/".join(parts[higher:])):
                    return f"captured data lies deeper: give {self.uri}/{'/'.join(parts[:higher])}"
        return f"what lies there is {', '.join(names[:5])}{' …' if len(names) > 5 else ''}"

    def _event(
        self, event_id: str, objects: Iterable[CapturedObject | UnreadableObject], unreadable: list[UnreadableObject]
    ) -> pa.Table | None:
        bare, _, item = event_id.partition("#")
        for found in objects:
            if isinstance(found, UnreadableObject):
                unreadable.append(found)
                continue
            ids = found.table([dataset.EVENT_ID, dataset.INFERENCE_ID, dataset.ITEM_INDEX])
            mask = _either(ids, event_id)
            if item.isdigit() and not pc.any(mask).as_py():
                mask = pc.and_(_either(ids, bare), pc.equal(ids[dataset.ITEM_INDEX], int(item)))
            if pc.any(mask).as_py():
                return found.table().filter(mask)
        return None

    def _evidence(self, endpoint: str, variant: str, first: int, last: int) -> VariantEvidence:
        start, end = dataset.to_datetime(first), dataset.to_datetime(last)
        ledgers: list[Ledger] = []
        unreadable: list[str] = []
        for day in range(first // dataset.DAY * dataset.DAY, last + 1, dataset.DAY):
            read, failed = self._ledgers(endpoint, variant, day)
            ledgers += read
            unreadable += failed
        before, _ = self._ledgers(endpoint, variant, first // dataset.DAY * dataset.DAY - dataset.DAY)
        found = self.objects(start, end, endpoint=endpoint, variant=variant)
        sizes = {str(entry.key): entry.size for entry in found}
        return VariantEvidence(endpoint, variant, ledgers, before, unreadable, sizes, self._row_counts)

    def _ledgers(self, endpoint: str, variant: str, day: int) -> tuple[list[Ledger], list[str]]:
        """A day's ledgers, and the keys of those that cannot be read."""
        read: list[Ledger] = []
        failed: list[str] = []
        for key, _ in self._source.list(dataset.ledger_prefix(endpoint, variant, day)):
            if dataset.parse_ledger_key(key) is None:
                continue
            try:
                entry = ledger.decode(self._source.get(key))
            except (msgspec.MsgspecError, MissingObject):
                failed.append(key)
                continue
            if entry.version > ledger.LEDGER_VERSION:
                failed.append(key)
            else:
                read.append(entry)
        return read, failed

    def _row_counts(self, keys: Iterable[str]) -> dict[str, int | None]:
        wanted = list(keys)
        return dict(zip(wanted, _ahead(self._row_count, wanted), strict=True))

    def _row_count(self, key: str) -> int | None:
        """An object's rows: of Parquet by its footer alone; None where it cannot be read as what its key says."""
        try:
            if key.endswith(".jsonl"):
                return count_lines(self._source.get(key))
            return int(pq.read_metadata(io.BytesIO(self._footer(key))).num_rows)
        except (pa.ArrowInvalid, MissingObject, OSError):
            return None

    def _footer(self, key: str) -> bytes:
        """The end of a Parquet object, which holds its metadata."""
        end = self._source.get(key, _FOOTER)
        needed = int.from_bytes(end[-8:-4], "little") + 8
        return self._source.get(key, needed) if needed > len(end) else end[-needed:]


def _window(start: dt.datetime | None, end: dt.datetime | None) -> tuple[int, int]:
    first = _FIRST if start is None else dataset.to_microseconds(start)
    last = _LAST if end is None else dataset.to_microseconds(end)
    if first >= last:
        raise ReadError(f"the window from {start} to {end} is empty: its end must lie after its start")
    return first, last


def _prefixes(root: str, first: int, last: int) -> list[str]:
    """The prefixes under which a window's objects are listed: its hours, its days where these are many, or all."""
    for unit, most, pattern in ((dataset.HOUR, _MAX_HOURS, "%Y/%m/%d/%H/"), (dataset.DAY, _MAX_DAYS, "%Y/%m/%d/")):
        start = first // unit * unit
        if -(-(last - start) // unit) <= most:
            return [f"{root}{dataset.to_datetime(time):{pattern}}" for time in range(start, last, unit)]
    return [root]


def _between(batch: pa.RecordBatch, start: dt.datetime | None, end: dt.datetime | None) -> pa.Array:
    times = batch.column(batch.schema.get_field_index(dataset.EVENT_TIME))
    mask = pc.is_valid(times)
    if start is not None:
        mask = pc.and_(mask, pc.greater_equal(times, pa.scalar(start, times.type)))
    if end is not None:
        mask = pc.and_(mask, pc.less(times, pa.scalar(end, times.type)))
    return mask


def _either(ids: pa.Table, wanted: str) -> pa.ChunkedArray:
    return pc.or_(
        pc.equal(ids[dataset.EVENT_ID], wanted), pc.fill_null(pc.equal(ids[dataset.INFERENCE_ID], wanted), False)
    )


def _hour_of_id(event_id: str) -> int | None:
    """The hour that a UUIDv7 tells; None for any other id."""
    try:
        name = uuid.UUID(event_id)
    except ValueError:
        return None
    return dataset.hour_of((name.int >> 80) * 1000) if name.version == 7 else None


def _ahead(make: Callable[[_Given], _Made], given: Iterable[_Given]) -> Iterator[_Made]:
    """`map(make, given)` in order, `AHEAD` of them in threads before they are asked for."""
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="capture-reader") as pool:
        waiting: deque[Any] = deque()
        try:
            for entry in given:
                waiting.append(pool.submit(make, entry))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
