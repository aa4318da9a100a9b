"""The checkpoint: what the shipper has done, in one file of the spool (`state`) that is always replaced whole.

A batch is done when the checkpoint that records it is on disk. Before that, its manifest is in `batches/`, and the next
shipper uploads the batch again, to the same keys with the same bytes. After that, nothing of it is uploaded again. Words
in segments and counters (`taken`, `settled`) repeat the checkpoint for processes that must not read a file.

The methods of `Checkpoint` are its only writers. What they return cannot be changed: writers are frozen, and mypy refuses
an assignment through `StreamView`.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

import msgspec

from capture.dataset import DAY
from capture.journal.counters import Latency
from capture.ledger import Ledger, ObjectEntry
from capture.shipping import checkpoint_file, ranges
from capture.shipping.checkpoint_file import Content, Stream, StreamState
from capture.shipping.writer_state import WriterState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from capture.encoding import EncodedObject
    from capture.journal.counters import WriterCounts
    from capture.record import Header

log = logging.getLogger("capture.shipper")
_MAX_OBJECTS = 20_000
_MAX_ENDED = 1_000


class StreamView(Protocol):
    """A stream's state as everybody but the checkpoint sees it."""

    @property
    def stream(self) -> Stream: ...
    @property
    def kms_key_id(self) -> str | None: ...
    @property
    def began(self) -> int: ...
    @property
    def days(self) -> Mapping[int, Mapping[str, ObjectEntry]]: ...
    @property
    def writers(self) -> Mapping[str, WriterState]: ...
    @property
    def forgotten(self) -> int: ...


class Checkpoint:
    """The checkpoint of one spool. Changes are in memory until `save`."""

    def __init__(self, path: Path, content: Content, saved: bool) -> None:
        self.saved = saved
        """True if a file names this spool. Ledgers carry the spool's id, so one must exist before a ledger is written."""
        self._path = path
        self._content = content
        self._streams = {writer: state for state in content.streams for writer in state.writers}

    @classmethod
    def load(cls, path: Path, spool: str, now: int) -> Checkpoint:
        """Returns the checkpoint in `path`, or a new one with the id `spool` if there is none that can be read.

        A file that cannot be read is moved to `quarantine/`. `now` is in microseconds since 1970 UTC.
        """
        try:
            return cls(path, checkpoint_file.read(path), saved=True)
        except FileNotFoundError:
            return cls(path, Content(spool, now), saved=False)
        except ValueError as error:
            log.error("capture: the spool's checkpoint cannot be read and is quarantined: %s", error)
        with contextlib.suppress(OSError):
            path.replace(path.parent / "quarantine" / f"state.{now}")
        return cls(path, Content(spool, now, fresh=True), saved=path.exists())

    def save(self) -> None:
        """Replaces the file. Raises OSError and leaves the old file unchanged on failure."""
        checkpoint_file.replace(self._path, self._content)
        self.saved = True

    # --- what it says

    @property
    def spool(self) -> str:
        """The spool's id: 32 hexadecimal digits."""
        return self._content.spool

    @property
    def fresh(self) -> bool:
        """True if an older checkpoint could not be read."""
        return self._content.fresh

    @property
    def last_batch(self) -> str:
        """The id of the last batch that is done, or an empty text."""
        return self._content.last_batch

    @property
    def shipped(self) -> tuple[int, int]:
        """Records and objects that were shipped since the spool began."""
        return self._content.totals.records, self._content.totals.objects

    @property
    def damaged_segments(self) -> int:
        """Segments in which damage was found since the spool began."""
        return self._content.totals.damaged_segments

    @property
    def lost(self) -> int:
        """Records that were accepted and will not arrive, since the spool began."""
        writers = [entry for state in self._content.streams for entry in state.writers.values() if not entry.in_totals]
        return sum(self._content.totals.ended_lost.values()) + sum(entry.lost_records for entry in writers)

    @property
    def streams(self) -> Sequence[StreamView]:
        """The streams of which anything is known."""
        return self._content.streams

    def progress(self, segment: str) -> tuple[int, int] | None:
        """Returns the records and bytes of a segment that are shipped or given up, or None if it is unknown."""
        return self._content.progress.get(segment)

    def writer(self, writer: str) -> WriterState | None:
        """Returns the state of a writer, or None if it is unknown."""
        state = self._streams.get(writer)
        return None if state is None else state.writers[writer]

    def is_ended(self, process: str) -> bool:
        """Returns True if the totals include this process."""
        return process in self._content.ended

    # --- segments and batches

    def set_progress(self, segment: str, records: int, size: int) -> None:
        """Notes how many records and bytes of a segment are shipped or given up."""
        self._content.progress[segment] = (records, size)

    def forget_segment(self, segment: str) -> None:
        """Forgets a segment that no longer exists."""
        self._content.progress.pop(segment, None)

    def keep_only(self, segments: Collection[str], processes: Collection[str]) -> None:
        """Forgets what an earlier shipper noted of other segments and of other ended processes."""
        self._content.progress = {name: done for name, done in self._content.progress.items() if name in segments}
        self._content.ended = [process for process in self._content.ended if process in processes]

    def count_damaged_segment(self) -> None:
        """Counts a segment in which damage was found."""
        self._content.totals.damaged_segments += 1

    def enter_objects(self, header: Header, objects: Iterable[EncodedObject], now: int) -> list[tuple[StreamView, int]]:
        """Enters a batch's objects, all of which are uploaded. Returns the stream and day of each."""
        state, totals = self._state(header, now), self._content.totals
        changed: list[tuple[StreamView, int]] = []
        for item in objects:
            day = item.event_times[0] // DAY * DAY
            state.days.setdefault(day, {})[item.key] = ObjectEntry(item.rows, item.events, item.event_times)
            changed.append((state, day))
            totals.objects += 1
            totals.records += item.events
            totals.rows += item.rows
            totals.bytes += len(item.body)
            totals.rescued_cells += item.counts.rescued_cells
            totals.renamed_features += len(item.counts.renamed)
            totals.row_mismatches += item.counts.row_mismatches
        while len(state.days) > 2 and sum(map(len, state.days.values())) > _MAX_OBJECTS:
            oldest = min(state.days)
            del state.days[oldest]
            state.forgotten = max(state.forgotten, oldest + DAY)
        return changed

    def finish_batch(self, batch: str) -> None:
        """Notes that a batch is done. It is, once this is saved."""
        self._content.last_batch = batch

    # --- writers

    def add_writer(self, writer: str, header: Header, now: int) -> WriterState:
        """Returns the state of a writer, and creates it, in the stream of its header, if there is none."""
        state = self._streams.get(writer)
        if state is None:
            state = self._streams[writer] = self._state(header, now)
            state.writers[writer] = WriterState()
        return state.writers[writer]

    def count(self, writer: str, counts: WriterCounts, kept: int, open: bool) -> WriterState:  # noqa: A002
        """Copies a known writer's counters. Returns its state."""
        return self._set(writer, self._streams[writer].writers[writer].with_counts(counts, kept, open))

    def ship(self, writer: str, first: int, last: int) -> None:
        """Marks records first..last of a known writer as shipped."""
        self._set(writer, self._streams[writer].writers[writer].with_shipped(first, last))

    def lose(self, writer: str, reason: str, first: int, last: int, event_times: tuple[int, int] | None = None) -> None:
        """Marks records first..last of a known writer as lost, unless they are shipped or lost already."""
        self._set(writer, self._streams[writer].writers[writer].with_lost(reason, first, last, event_times))

    def end_process(self, process: str, writers: Iterable[tuple[str, WriterCounts]], drops: tuple[int, int]) -> None:
        """Adds the counts of a dead process to the totals: its writers' counters, and the segments and bytes it dropped.

        A writer without a known stream is counted, and is in no ledger: its records are lost for an unknown reason.
        """
        totals = self._content.totals
        latency = Latency(*totals.ended_latency[:3], dict(totals.ended_latency[3]))
        for writer, counts in writers:
            state = self.writer(writer)
            if state is None:
                state = WriterState().with_counts(counts, 0, open=False).with_lost("unknown", 1, counts.kept)
            else:
                self._set(writer, msgspec.structs.replace(state, open=False, in_totals=True))
            totals.ended_appended += state.appended
            totals.ended_sampled_out += counts.sampled_out
            totals.ended_shipped += ranges.count(state.shipped)
            totals.ended_rows += counts.rows
            totals.ended_bytes += counts.bytes
            _add(totals.ended_refused, counts.refused)
            for item in state.lost:
                _add(totals.ended_lost, {item.reason: item.last - item.first + 1})
            latency.add(counts.latency)
        totals.ended_latency = (latency.count, latency.total, latency.longest, latency.buckets)
        totals.dropped_segments += drops[0]
        totals.dropped_bytes += drops[1]
        self._content.ended.append(process)

    def forget_ended(self, process: str) -> None:
        """Forgets that a process has ended, once its counters file is gone."""
        self._content.ended.remove(process)

    def forget_published(self) -> None:
        """Forgets ended writers that name no gap, beyond the newest thousand, once the ledgers with them are delivered."""
        for state in self._content.streams:
            whole = [name for name, one in state.writers.items() if one.in_totals and not one.lost and not one.refused]
            for writer in whole[:-_MAX_ENDED]:
                del state.writers[writer]
                del self._streams[writer]

    def _set(self, writer: str, state: WriterState) -> WriterState:
        self._streams[writer].writers[writer] = state
        return state

    def _state(self, header: Header, now: int) -> StreamState:
        stream = Stream.of(header)
        for state in self._content.streams:
            if state.stream == stream:
                state.kms_key_id = header.kms_key_id
                return state
        state = StreamState(stream, header.kms_key_id, now)
        self._content.streams.append(state)
        return state


def ledger_of(
    spool: str, state: StreamView, day: int, as_of: int, complete_until: int, closed: bool, next_by: int | None
) -> Ledger:
    """Returns one day's ledger of one stream. Times are in microseconds since 1970 UTC."""
    return Ledger(
        spool=spool,
        endpoint_name=state.stream.endpoint_name,
        variant_name=state.stream.variant_name,
        as_of=as_of,
        complete_until=complete_until,
        closed=closed,
        objects=dict(state.days.get(day, {})),
        writers={writer: entry.published() for writer, entry in state.writers.items()},
        next_by=next_by,
    )


def _add(into: dict[str, int], counts: Mapping[str, int]) -> None:
    for name, number in counts.items():
        into[name] = into.get(name, 0) + number
