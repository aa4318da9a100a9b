"""The spool watcher: what the shipper sees when it scans the spool. It changes nothing there.

A scan maps new segments and counters files and forgets those that are gone. What a scan finds and somebody must act on
(damaged segments, counters files of no writer) is kept for `housekeeping.py`.

Invariants
- Segments are scanned first and counters second, so that the counters of a segment's process are known.
- `sealed` is what an earlier scan saw than the length that is read next: a sealed segment's writer has made its last store,
  and every processor sees it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture.journal import segment
from capture.journal.counters import MAX_WRITERS, ProcessCounters
from capture.journal.segment import SegmentDamaged, SegmentReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from capture.journal.counters import WriterCounters
    from capture.journal.spool import Spool
    from capture.record import Header

_MAX_GROWTH = 512


@dataclass(slots=True)
class TrackedSegment:
    """A segment, how far it is done (records, bytes of data), and since when something waits (monotonic seconds).

    `sealed` is True if a scan saw it sealed, `given_up` if what it still holds is damaged.
    """

    reader: SegmentReader
    done: tuple[int, int]
    since: float | None = None
    sealed: bool = False
    given_up: bool = False

    @property
    def waiting(self) -> tuple[int, int]:
        """Committed records and bytes that are neither shipped nor given up. Bytes that no record explains (damage)
        count as one record, so that the damage is found."""
        records, length = self.reader.committed
        size = max(length - self.done[1], 0)
        return max(records - self.done[0], int(size > 0)), size

    @property
    def process(self) -> str:
        """The id of the process that wrote it."""
        return self.reader.writer[:24]


class SpoolWatcher:
    """What is in a spool. `clock` gives nanoseconds since 1970 UTC, `monotonic` seconds.

    `done_of` returns the records and bytes of a new segment that are shipped or given up. `unreadable_counters` is True
    while a process writes whose counters this version cannot read. `damaged` and `abandoned` are files to be put away:
    segments that cannot be read, with the reason, and counters files that this version cannot read.
    """

    def __init__(
        self,
        spool: Spool,
        done_of: Callable[[SegmentReader], tuple[int, int]],
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self.segments: dict[str, TrackedSegment] = {}
        self.processes: dict[str, ProcessCounters] = {}
        self.damaged: dict[Path, SegmentDamaged] = {}
        self.abandoned: list[Path] = []
        self.unreadable_counters = False
        self._growth: dict[str, deque[tuple[int, int]]] = {}
        self._spool = spool
        self._done_of = done_of
        self._clock = clock
        self._monotonic = monotonic

    def scan_segments(self) -> bool:
        """Maps new segments. Returns True if segments disappeared, or were found damaged, since the last scan."""
        paths = {path.stem: path for path in self._spool.segments()}
        gone = set(self.segments) - set(paths)
        for identity in gone:
            self.forget(identity)
        for identity in sorted(set(paths) - set(self.segments)):
            try:
                reader = SegmentReader(paths[identity])
            except SegmentDamaged as damage:
                self.damaged[paths[identity]] = damage
            except FileNotFoundError:
                continue
            else:
                self.segments[identity] = TrackedSegment(reader, self._done_of(reader))
        return bool(gone or self.damaged)

    def scan_counters(self) -> None:
        """Maps new counters files and closes those that are gone."""
        names = {path.name: path for path in self._spool.counter_files()}
        self.unreadable_counters = False
        self.abandoned = []
        for name in set(self.processes) - set(names):
            self.processes.pop(name).close()
        for name in set(names) - set(self.processes):
            found = ProcessCounters.read(names[name])
            if found is not None:
                self.processes[name] = found
            else:
                self.abandoned.append(names[name])

    def note_progress(self) -> None:
        """Notes what is sealed now, since when each segment has waited, and how far each writer's counters are."""
        self._note_rows()
        now = self._monotonic()
        for tracked in self.segments.values():
            tracked.sealed = tracked.reader.state == segment.SEALED
            if not tracked.waiting[0]:
                tracked.since = None
            elif tracked.since is None:
                tracked.since = now - self._age(tracked)

    def _age(self, tracked: TrackedSegment) -> float:
        """Returns for how many seconds a segment's first waiting record has waited: 0 to 86,400, since clocks may be wrong."""
        time = self.first_waiting_time(tracked)
        return 0.0 if time is None else min(max(self._clock() / 1e9 - time / 1e6, 0.0), 86_400.0)

    @staticmethod
    def first_waiting_time(tracked: TrackedSegment) -> int | None:
        """Returns the event time of a segment's first waiting record, in microseconds since 1970 UTC."""
        for at, _, head in tracked.reader.frames(tracked.done[1], tracked.reader.committed[1]):
            with contextlib.suppress(Exception):  # a head that no decoder reads has no time
                return tracked.reader.event_time(at, head)
        return None

    def opened_at(self, identity: str, otherwise: int) -> int:
        """Returns when a segment was opened, in microseconds since 1970 UTC, or `otherwise` if it is gone."""
        tracked = self.segments.get(identity)
        return otherwise if tracked is None else tracked.reader.opened_at

    def alive(self, process: str) -> bool:
        """Returns True if a writing process can still write."""
        process_counters = self.processes.get(process)
        return process_counters is not None and not process_counters.closed and process_counters.alive()

    def counters_of(self, writer: str) -> WriterCounters | None:
        """Returns the counters of a writer, or None if it has none."""
        process_counters = self.processes.get(writer[:24])
        try:
            index = int(writer[24:], 16)
        except ValueError:
            return None
        return process_counters.writer(index) if process_counters is not None and 0 <= index < MAX_WRITERS else None

    def rows_a_record(self, tracked: TrackedSegment) -> float:
        """Returns the average number of rows of the records that wait in a segment, estimated from its writer's counters; 1
        if they are unknown. An exact number would need decoding."""
        counters = self.counters_of(tracked.reader.writer)
        if counters is None:
            return 1.0
        first = tracked.reader.first_number + tracked.done[0]
        earlier = (note for note in reversed(self._growth.get(tracked.reader.writer, ())) if note[0] < first)
        records, rows = next(earlier, (0, 0))
        return (counters.rows - rows) / (counters.records - records) if counters.records > records else 1.0

    def _note_rows(self) -> None:
        """Notes how many records and rows each writer has."""
        found = {writer: counters for writer, _, counters in self.writers()}
        self._growth = {writer: self._growth.get(writer, deque(maxlen=_MAX_GROWTH)) for writer in found}
        for writer, counters in found.items():
            notes = self._growth[writer]
            if not notes or notes[-1][0] != counters.records:
                notes.append((counters.records, counters.rows))

    def forget(self, identity: str) -> None:
        """Forgets a segment whose file is gone or free."""
        self.segments.pop(identity, None)

    def close(self) -> None:
        """Closes the counters files."""
        for process_counters in self.processes.values():
            process_counters.close()

    def notes(self) -> list[Path]:
        """Returns the notes of segments that were dropped."""
        return [path for path in self._spool.path("lost").iterdir() if path.name.count(".") == 3]

    def writers(self) -> Iterator[tuple[str, ProcessCounters, WriterCounters]]:
        """Yields each used writer: its id, its process's counters, its own counters."""
        for process, process_counters in self.processes.items():
            for index, counters in process_counters.writers():
                yield f"{process}{index:08x}", process_counters, counters

    def header_of(self, writer: str) -> Header | None:
        """Returns the header of a writer's segments, or None if it is unknown."""
        process_counters = self.processes.get(writer[:24])
        header = None if process_counters is None else segment.header_of(process_counters.header_text)
        if header is not None:
            return header
        return next((one.reader.header for one in self.segments.values() if one.reader.writer == writer), None)
