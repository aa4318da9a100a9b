"""The checkpoint: what the shipper has done, in one file of the spool (`state`) that is always replaced whole.

A batch is done when the checkpoint that records it is on disk. Before that, its manifest is in `batches/`, and the next
shipper uploads the batch again, to the same keys with the same bytes. After that, nothing of it is uploaded again. Words
in segments and counters (`taken`, `settled`) repeat the checkpoint for processes that must not read a file. They are set
from the checkpoint at start.

The checkpoint also holds the state of the ledgers. For each stream (destination, endpoint, variant) it has the objects of
the last days, and every writer that no delivered ledger reports completely.
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

    from capture.journal.counters import WriterCounts
    from capture.record import Header

log = logging.getLogger("capture.shipper")
VERSION = 1


class Stream(msgspec.Struct, frozen=True):
    """A series of objects with one ledger a day: one endpoint's variant at one destination."""

    destination: str
    endpoint_name: str
    variant_name: str

    @classmethod
    def of(cls, header: Header) -> Stream:
        """Returns the stream of a segment's records."""
        return cls(header.destination, header.endpoint_name, header.variant_name)


class LedgerState(msgspec.Struct):
    """The ledgers of one stream: objects by day (microseconds since 1970 UTC of its midnight) and key; writers by id.

    Objects of days before `forgotten` are no longer kept: the ledgers of these days stay as they were last delivered.
    """

    stream: Stream = msgspec.field(name="place")
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


class Checkpoint(msgspec.Struct):
    """Everything that survives a shipper. `progress` has, for each existing segment, the records and bytes that are shipped
    or given up. `ended` lists processes whose counts are in the totals, although their counters' file may still exist.

    `fresh` is True if an older checkpoint could not be read. It is then unknown whether records that are no longer in the
    spool were shipped.
    """

    spool: str
    began: int
    version: int = VERSION
    fresh: bool = False
    ended: list[str] = []
    last_batch: str = ""
    progress: dict[str, tuple[int, int]] = {}
    ledgers: list[LedgerState] = msgspec.field(default_factory=list, name="books")
    totals: Totals = msgspec.field(default_factory=Totals)

    def ledger_state(self, stream: Stream, kms_key_id: str | None, now: int) -> LedgerState:
        """Returns the ledger state of a stream, and creates it if there is none."""
        for ledger_state in self.ledgers:
            if ledger_state.stream == stream:
                ledger_state.kms_key_id = kms_key_id
                return ledger_state
        ledger_state = LedgerState(stream, kms_key_id, now)
        self.ledgers.append(ledger_state)
        return ledger_state


def new_entry() -> WriterEntry:
    """Returns the entry of a writer without any records."""
    return WriterEntry(appended=0, kept=0, sampled_out=0, refused={}, shipped=[], lost=[], open=True)


def count_in(entry: WriterEntry, counts: WriterCounts, kept: int) -> None:
    """Copies a writer's counters into its entry. `kept` may be higher than the counter."""
    entry.kept = max(entry.kept, kept, counts.kept)
    entry.sampled_out = counts.sampled_out
    entry.refused = counts.refused
    entry.appended = entry.kept + entry.sampled_out + sum(entry.refused.values())


def ship(entry: WriterEntry, first: int, last: int) -> None:
    """Marks records first..last as shipped, and removes them from the lost ones."""
    entry.shipped = ranges.add(entry.shipped, (first, last))
    entry.kept = max(entry.kept, last)
    lost: list[Lost] = []
    for item in entry.lost:
        rest = ranges.subtract((item.first, item.last), [(first, last)])
        lost.extend(Lost(item.reason, *part, item.event_times) for part in rest)
    entry.lost = lost


def lose(entry: WriterEntry, reason: str, first: int, last: int, event_times: tuple[int, int] | None = None) -> int:
    """Marks records first..last as lost, and returns how many of them were neither shipped nor lost before."""
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
    """Returns the span of both, or None if one is unknown or they span more than an hour."""
    if one is None or other is None:
        return None
    first, last = min(one[0], other[0]), max(one[1], other[1])
    return (first, last) if last - first <= HOUR else None


def settled(entry: WriterEntry) -> int:
    """Returns the number of a writer's records that are shipped or lost."""
    return entry.kept - entry.waiting


def load(path: Path, spool: str, now: int) -> Checkpoint:
    """Returns the checkpoint of a spool, or a new one, named `spool`, if there is none of this version.

    A checkpoint that cannot be read is moved to `quarantine/` for inspection.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Checkpoint(spool, now)
    try:
        state = msgspec.msgpack.decode(data, type=Checkpoint)
        if state.version == VERSION:
            return state
        why = f"its version is {state.version}, this shipper's is {VERSION}"
    except msgspec.DecodeError as error:
        why = str(error)
    log.error("capture: the spool's state cannot be read and is quarantined: %s", why)
    with contextlib.suppress(OSError):
        path.replace(path.parent / "quarantine" / f"state.{now}")
    return Checkpoint(spool, now, fresh=True)


def load_or_none(path: Path) -> Checkpoint | None:
    """Returns the checkpoint for a process that only reads it, or None if it cannot be read."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Checkpoint)
    except (OSError, msgspec.DecodeError):
        return None


def save(path: Path, state: Checkpoint) -> None:
    """Replaces the checkpoint's file. Raises OSError and leaves the old file unchanged on failure."""
    write_whole(path, msgspec.msgpack.encode(state))


def ledger_of(
    state: Checkpoint,
    ledger_state: LedgerState,
    day: int,
    as_of: int,
    complete_until: int,
    closed: bool,
    next_by: int | None,
) -> Ledger:
    """Returns one day's ledger of one stream."""
    return Ledger(
        spool=state.spool,
        endpoint_name=ledger_state.stream.endpoint_name,
        variant_name=ledger_state.stream.variant_name,
        as_of=as_of,
        complete_until=complete_until,
        closed=closed,
        objects=ledger_state.days.get(day, {}),
        writers=ledger_state.writers,
        next_by=next_by,
    )
