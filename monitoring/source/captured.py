"""Captured data as a source: the objects of a window by hour, whole hours apart from cut ones, and the ledgers' judgement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

import msgspec
import pyarrow as pa

from capture import dataset
from capture.reading.captured_object import CapturedObject
from capture.reading.reader import Dataset, ReadError, SinkError
from monitoring.errors import MonitoringError
from monitoring.result import WindowCompleteness
from monitoring.source.part import BATCH_ROWS, PartGroup, UnreadablePart
from monitoring.states.layout import FileFacts, captured_layout
from monitoring.storage import open_storage
from monitoring.window import HOUR, Window

if TYPE_CHECKING:
    from monitoring.source.part import OpenPart

Found = TypeVar("Found")


@lru_cache(maxsize=16)
def _dataset(uri: str) -> Dataset:
    """Returns the data set of a URI, the same for all its objects: a client of S3 takes long to make."""
    return Dataset(uri)


class CapturedPart(msgspec.Struct, frozen=True, tag="captured"):
    """One captured object. `uri` is the data set's."""

    uri: str
    key: str
    size: int = 0

    @property
    def name(self) -> str:
        """The object's key."""
        return self.key

    def fetch(self) -> OpenPart:
        """Returns the object, whole. Raises UnreadablePart where it is missing, corrupt or not captured data."""
        key = dataset.parse_object_key(self.key)
        if key is None:
            raise UnreadablePart(f"{self.key} is not the key of a captured object")
        try:
            return _OpenObject(_dataset(self.uri).open(key))
        except (ReadError, SinkError, pa.ArrowException, ValueError) as error:
            raise UnreadablePart(f"cannot read {self.key}: {error}") from error


class _OpenObject:
    def __init__(self, found: CapturedObject) -> None:
        self._found = found
        self.notes: set[str] = set()
        self.facts = FileFacts(
            frozenset(found.request_columns),
            frozenset(found.prediction_columns),
            frozenset(found.hashed_columns),
            frozenset(found.json_columns),
            found.renamed,
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows in batches."""
        try:
            yield from self._found.batches(rows=BATCH_ROWS, dictionaries=True)
        except (pa.ArrowException, OSError) as error:
            raise UnreadablePart(f"cannot read {self._found.key}: {error}") from error


class CapturedSource:
    """The captured data of a URI, narrowed to an endpoint and a variant where given."""

    def __init__(
        self,
        uri: str,
        endpoint: str | None = None,
        variant: str | None = None,
        unit: str = "",
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """`clock` gives nanoseconds since 1970 UTC: the ledgers' judgement tells a live instance from a silent one with it."""
        self._dataset = Dataset(uri, clock=clock)
        self._endpoint, self._variant = endpoint, variant
        self.uri = self._dataset.uri
        self.layout = captured_layout(unit)

    def variants(self) -> list[tuple[str, str]]:
        """Returns the endpoints and variants of which there is an object or a ledger."""
        return _readable(lambda: self._dataset.variants(self._endpoint, self._variant))

    def span(self) -> Window | None:
        """Returns the window of all objects, in whole hours; None where there is none."""
        found = _readable(lambda: self._dataset.span(endpoint=self._endpoint, variant=self._variant))
        return Window(*found) if found else None

    def groups(self, window: Window | None) -> Iterator[PartGroup]:
        """Yields a group for each hour that has objects, in the order of endpoint, variant and time."""
        start, end = (window.start, window.end) if window else (None, None)
        found = _readable(
            lambda: list(self._dataset.objects(start, end, endpoint=self._endpoint, variant=self._variant))
        )
        found.sort(key=lambda entry: (entry.key.endpoint, entry.key.variant, entry.key.hour, str(entry.key)))
        for (endpoint, variant, hour), entries in groupby(
            found, key=lambda entry: (entry.key.endpoint, entry.key.variant, entry.key.hour)
        ):
            parts = tuple(CapturedPart(self.uri, str(entry.key), entry.size) for entry in entries)
            first = dataset.to_datetime(hour)
            cut = window is not None and (first < window.start or first + HOUR > window.end)
            yield PartGroup(
                parts,
                endpoint,
                variant,
                first,
                start if cut else None,
                end if cut else None,
                {part.key: part.size for part in parts},
            )

    def completeness(self, window: Window) -> WindowCompleteness:
        """Returns the judgement of the ledgers: `proved` is None where the window has no ledger at all."""
        judged = _readable(
            lambda: self._dataset.completeness(window.start, window.end, endpoint=self._endpoint, variant=self._variant)
        )
        missing = 0
        known = True
        for gap in judged.gaps:
            known = known and gap.records is not None
            missing += gap.records or 0
        gaps = tuple(gap.message for gap in judged.gaps)
        if not judged.instances:
            return WindowCompleteness(None, judged.events, None, gaps)
        until = min(instance.complete_until for instance in judged.instances)
        return WindowCompleteness(
            judged.complete,
            judged.events,
            judged.events + missing if known else None,
            gaps,
            dataset.to_datetime(until) if 0 <= until < dataset.to_microseconds(window.end) else window.end,
        )


def is_captured(uri: str) -> bool:
    """Returns True if there is a captured object or a ledger below the URI."""
    ledgers = open_storage(uri).list(f"{dataset.LEDGER_PREFIX}/")
    if next(ledgers, None) is not None:
        return True
    try:
        return next(Dataset(uri).objects(), None) is not None
    except (ReadError, SinkError):
        return False


def _readable(call: Callable[[], Found]) -> Found:
    """Returns what `call` reads; errors of the reader become errors of this room."""
    try:
        return call()
    except (ReadError, SinkError) as error:
        raise MonitoringError(str(error)) from error
