"""What the shipper has done, in one file of the spool that is replaced whole: the one place that decides.

A batch is done when the state that says so is on disk. Before that its manifest stands in `batches/`, and whoever comes
next uploads it again, to the same keys with the same bytes; after that nothing of it is uploaded again. Words in
segments and accounts (`taken`, `settled`) repeat what stands here for processes that must not read a file, and are set
from it at start.

The state also holds the ledgers: by destination, endpoint and variant, the objects of the last days and the account of
every writer that is not wholly told in a ledger yet.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import msgspec

from capture.dataset import HOUR
from capture.durable_file import write_whole
from capture.ledger import Ledger, Lost, ObjectEntry, WriterEntry
from capture.shipping import ranges

if TYPE_CHECKING:
    from pathlib import Path

    from capture.journal.counters import LaneCounts
    from capture.record import Header

log = logging.getLogger("capture.shipper")
VERSION = 1


class Place(msgspec.Struct, frozen=True):
    """Where a ledger goes: objects of one endpoint's variant at one destination."""

    destination: str
    endpoint_name: str
    variant_name: str

    @classmethod
    def of(cls, header: Header) -> Place:
        """The place of a segment's records."""
        return cls(header.destination, header.endpoint_name, header.variant_name)


class Book(msgspec.Struct):
    """The ledgers of one place: objects by day (microseconds since 1970 UTC of its midnight) and key; writers by id.

    Of days before `forgotten` the objects are known no more: their ledgers stand as they were last delivered.
    """

    place: Place
    kms_key_id: str | None
    began: int
    days: dict[int, dict[str, ObjectEntry]] = {}
    writers: dict[str, WriterEntry] = {}
    forgotten: int = -(2**62)


class Totals(msgspec.Struct):
    """Counts since the spool began: of batches that are done, and of writers that have ended (`ended_*`)."""

    batches: int = 0
    objects: int = 0
    records: int = 0
    rows: int = 0
    bytes: int = 0
    rescued_cells: int = 0
    refused_names: int = 0
    renamed_features: int = 0
    row_mismatches: int = 0
    dropped_segments: int = 0
    dropped_bytes: int = 0
    damaged_segments: int = 0
    ended_rows: int = 0
    ended_bytes: int = 0
    ended_latency: tuple[int, int, int, dict[int, int]] = (0, 0, 0, {})
    ended_appended: int = 0
    ended_sampled_out: int = 0
    ended_shipped: int = 0
    ended_refused: dict[str, int] = {}
    ended_lost: dict[str, int] = {}


class State(msgspec.Struct):
    """The whole state. `progress` has records and bytes that are shipped or given up of each segment there is; `ended`
    are processes of which the totals tell, though their account may still stand there.

    `fresh` says that an older state could not be read: of records that are not in the spool any more nobody knows then
    whether they were shipped.
    """

    spool: str
    began: int
    version: int = VERSION
    fresh: bool = False
    ended: list[str] = []
    last_batch: str = ""
    progress: dict[str, tuple[int, int]] = {}
    books: list[Book] = []
    totals: Totals = msgspec.field(default_factory=Totals)

    def book(self, place: Place, kms_key_id: str | None, now: int) -> Book:
        """The book of a place, begun where there is none."""
        for book in self.books:
            if book.place == place:
                book.kms_key_id = kms_key_id
                return book
        book = Book(place, kms_key_id, now)
        self.books.append(book)
        return book


def new_entry() -> WriterEntry:
    """The entry of a writer of which nothing is known yet."""
    return WriterEntry(appended=0, kept=0, sampled_out=0, refused={}, shipped=[], lost=[], open=True)


def count_in(entry: WriterEntry, counts: LaneCounts, kept: int) -> None:
    """Takes over what a writer's account says; `kept` may know of more records than its counter."""
    entry.kept = max(entry.kept, kept, counts.kept)
    entry.sampled_out = counts.sampled_out
    entry.refused = counts.refused
    entry.appended = entry.kept + entry.sampled_out + sum(entry.refused.values())


def ship(entry: WriterEntry, first: int, last: int) -> None:
    """Records first..last are shipped; what was thought lost of them is not."""
    entry.shipped = ranges.add(entry.shipped, (first, last))
    entry.kept = max(entry.kept, last)
    lost: list[Lost] = []
    for item in entry.lost:
        rest = ranges.subtract((item.first, item.last), [(first, last)])
        lost.extend(Lost(item.reason, *part, item.event_times) for part in rest)
    entry.lost = lost


def lose(entry: WriterEntry, reason: str, first: int, last: int, event_times: tuple[int, int] | None = None) -> int:
    """Records first..last will not arrive; returns how many of them were not shipped or lost already."""
    known = [*entry.shipped, *((item.first, item.last) for item in entry.lost)]
    new = ranges.subtract((first, last), known)
    if new:
        entry.lost = _joined([*entry.lost, *(Lost(reason, *part, event_times) for part in new)])
    entry.kept = max(entry.kept, last)
    return ranges.count(new)


def _joined(lost: list[Lost]) -> list[Lost]:
    """Losses in the order of their numbers; neighbours of one reason and within one hour as one, so that the segments
    that a long outage costs do not fill the state."""
    joined: list[Lost] = []
    for item in sorted(lost, key=lambda item: item.first):
        before = joined[-1] if joined else None
        if before is not None and before.reason == item.reason and before.last + 1 == item.first:
            times = _span(before.event_times, item.event_times)
            if times is not None or before.event_times is None is item.event_times:
                joined[-1] = Lost(item.reason, before.first, item.last, times)
                continue
        joined.append(item)
    return joined


def _span(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    """Both, where both are known and lie within an hour."""
    if one is None or other is None:
        return None
    first, last = min(one[0], other[0]), max(one[1], other[1])
    return (first, last) if last - first <= HOUR else None


def settled(entry: WriterEntry) -> int:
    """Records of a writer that are shipped or lost."""
    return entry.kept - entry.waiting


def load(path: Path, spool: str, now: int) -> State:
    """The state of a spool; a new one, named `spool`, where there is none or none of this version.

    A state that cannot be read is kept in `set-aside/` for a person to look at.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return State(spool, now)
    try:
        state = msgspec.msgpack.decode(data, type=State)
        if state.version == VERSION:
            return state
        why = f"its version is {state.version}, this shipper's is {VERSION}"
    except msgspec.DecodeError as error:
        why = str(error)
    log.error("capture: the spool's state cannot be read and is set aside: %s", why)
    with contextlib.suppress(OSError):
        path.replace(path.parent / "set-aside" / f"state.{now}")
    return State(spool, now, fresh=True)


def load_or_none(path: Path) -> State | None:
    """The state that stands there, for whoever only looks; None where none can be read."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return None


def save(path: Path, state: State) -> None:
    """Replaces the state's file; raises OSError, with the old one untouched."""
    write_whole(path, msgspec.msgpack.encode(state))


def ledger_of(
    state: State, book: Book, day: int, as_of: int, complete_until: int, closed: bool, next_by: int | None
) -> Ledger:
    """One day's ledger of one place."""
    return Ledger(
        spool=state.spool,
        endpoint_name=book.place.endpoint_name,
        variant_name=book.place.variant_name,
        as_of=as_of,
        complete_until=complete_until,
        closed=closed,
        objects=book.days.get(day, {}),
        writers=book.writers,
        next_by=next_by,
    )
