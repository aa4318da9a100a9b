"""A part of a data set that is read as a whole: one file, one object, one table. Engines spread parts over workers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from monitoring.errors import MonitoringError

if TYPE_CHECKING:
    import pyarrow as pa

    from monitoring.result import WindowCompleteness
    from monitoring.states.layout import FileFacts, Layout
    from monitoring.window import Window

BATCH_ROWS = 65_536
"""Rows of a batch at most: the kernel works in the processor's cache."""


class UnreadablePart(MonitoringError):
    """A file or object cannot be read. The message names it; the other parts are read all the same."""


class OpenPart(Protocol):
    """A part whose bytes are here."""

    @property
    def facts(self) -> FileFacts:
        """What the part's metadata says of its columns."""

    @property
    def notes(self) -> set[str]:
        """Sentences for a reader of the report; complete when the batches have been read."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows in batches of at most BATCH_ROWS, in the file's own types. Raises UnreadablePart."""


class Part(Protocol):
    """A part by name. `name` names it to a person and seeds the hashes of rows without an event id."""

    @property
    def name(self) -> str:
        """The key or path of the part."""

    @property
    def size(self) -> int:
        """Bytes, 0 where unknown."""

    def fetch(self) -> OpenPart:
        """Returns the part with its bytes. Raises UnreadablePart."""


@dataclass(frozen=True)
class PartGroup:
    """Parts in which the same event may stand twice: the objects of one hour. A part of other data is its own group.

    `hour` is the start of the group's hour where all its rows lie in one, else None. `start` and `end` bound the event times
    that count, None where all do; so a group without bounds is a whole hour.
    """

    parts: tuple[Part, ...]
    endpoint: str = ""
    variant: str = ""
    hour: dt.datetime | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    sizes: dict[str, int] = field(default_factory=dict)


class RowSource(Protocol):
    """Rows of a data set, by time where it has times."""

    uri: str
    layout: Layout

    def groups(self, window: Window | None) -> Iterator[PartGroup]:
        """Yields the groups of the window's parts in the order of time and name; all of them without a window."""

    def completeness(self, window: Window) -> WindowCompleteness:
        """Returns whether the window is complete. `proved` is None where the data set has no ledgers."""
