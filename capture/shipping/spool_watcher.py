"""The watcher: what the shipper sees when it looks at the spool, and what it concludes.

A look maps new segments and processes, forgets those that are gone, and seals segments whose writer is dead.

Invariants
- Segments are looked at first and processes second, so that a segment's process has its counters in the watcher; and a
  segment is taken from a writer only under the spool's lock, while its file still has its name: before, its memory may
  be another writer's.
- A segment is recycled only if it was seen sealed in an earlier look than its length: its writer's last store is then
  visible, on every processor.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture.journal import segment
from capture.journal.counters import MAX_WRITERS, ProcessCounters, is_abandoned
from capture.journal.segment import SegmentDamaged, SegmentReader
from capture.shipping import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from capture.journal.counters import WriterCounters
    from capture.journal.spool import Spool
    from capture.ledger import WriterEntry
    from capture.record import Header
    from capture.shipping.checkpoint import Checkpoint, LedgerState

log = logging.getLogger("capture.shipper")
_MAX_GROWTH = 512


@dataclass(slots=True)
class TrackedSegment:
    """A segment, how far it is done (records, bytes of data), and since when something waits (monotonic seconds).

    `sealed` says that it was seen sealed, `given_up` that what it still holds is damaged.
    """

    reader: SegmentReader
    done: tuple[int, int]
    since: float | None = None
    sealed: bool = False
    given_up: bool = False

    @property
    def waiting(self) -> tuple[int, int]:
        """Committed records and bytes that are neither shipped nor given up. Bytes that no record explains (damage)
        count as one record: somebody must look at them."""
        records, length = self.reader.committed
        size = max(length - self.done[1], 0)
        return max(records - self.done[0], int(size > 0)), size

    @property
    def process(self) -> str:
        """The id of the process that wrote it."""
        return self.reader.writer[:24]


class SpoolWatcher:
    """What is in a spool. `clock` gives nanoseconds since 1970 UTC, `monotonic` seconds.

    `unreadable_counters` says that a process writes here whose counters this version cannot read.
    """

    def __init__(
        self, spool: Spool, restored: Checkpoint, clock: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self.segments: dict[str, TrackedSegment] = {}
        self.processes: dict[str, ProcessCounters] = {}
        self.unreadable_counters = False
        self._growth: dict[str, deque[tuple[int, int]]] = {}
        self._spool = spool
        self._checkpoint = restored
        self._clock = clock
        self._monotonic = monotonic
        names = {path.stem for path in spool.segments()}
        restored.progress = {name: done for name, done in restored.progress.items() if name in names}
        processes = {path.name for path in spool.counter_files()}
        restored.ended = [process for process in restored.ended if process in processes]

    def scan(self) -> bool:
        """Looks at the spool anew; whether records may have been lost since (`losses.py`)."""
        gone = self.scan_segments()
        self._scan_counters()
        self._seal_orphans()
        self._note_rows()
        now = self._monotonic()
        for tracked in self.segments.values():
            tracked.sealed = tracked.reader.state == segment.SEALED
            if not tracked.waiting[0]:
                tracked.since = None
            elif tracked.since is None:
                tracked.since = now - self._age(tracked)
        return gone or bool(self.notes())

    def scan_segments(self) -> bool:
        """Whether segments vanished since the last look."""
        paths = {path.stem: path for path in self._spool.segments()}
        gone = set(self.segments) - set(paths)
        for identity in gone:
            self._forget(identity)
        for identity in sorted(set(paths) - set(self.segments)):
            try:
                reader = SegmentReader(paths[identity])
            except SegmentDamaged as damage:
                log.error("capture: a segment is quarantined: %s", damage)
                self._spool.quarantine_file(paths[identity])
                self._checkpoint.totals.damaged_segments += 1
                gone.add(identity)
                continue
            except FileNotFoundError:
                continue
            known = reader.taken if self._checkpoint.fresh else (0, 0)
            self.segments[identity] = TrackedSegment(reader, self._checkpoint.progress.get(identity, known))
            reader.set_taken(*self.segments[identity].done)
        return bool(gone)

    def _scan_counters(self) -> None:
        names = {path.name: path for path in self._spool.counter_files()}
        self.unreadable_counters = False
        for name in set(self.processes) - set(names):
            self.processes.pop(name).close()
        for name in set(names) - set(self.processes):
            found = ProcessCounters.read(names[name])
            if found is not None:
                self.processes[name] = found
            else:
                self._scan_unreadable(names[name])

    def _scan_unreadable(self, path: Path) -> None:
        """A counters file that is not finished, or not of this version; one that nobody holds is out of the way then."""
        with self._spool.locked():
            if not is_abandoned(path):
                self.unreadable_counters = True
                return
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                if not file.read(8).strip(b"\0"):
                    path.unlink()
                    return
        log.error("capture: the counters of writer %s is not of this version: quarantined", path.name)
        self._spool.quarantine_file(path)

    def _age(self, tracked: TrackedSegment) -> float:
        """Seconds that a segment's first waiting record has waited, as far as the wall clock can be believed."""
        time = self.first_waiting_time(tracked)
        return 0.0 if time is None else min(max(self._clock() / 1e9 - time / 1e6, 0.0), 86_400.0)

    @staticmethod
    def first_waiting_time(tracked: TrackedSegment) -> int | None:
        """The event time of a segment's first waiting record, microseconds since 1970 UTC."""
        for at, _, head in tracked.reader.frames(tracked.done[1], tracked.reader.committed[1]):
            with contextlib.suppress(Exception):  # a head that no decoder reads has no time
                return tracked.reader.event_time(at, head)
        return None

    def opened_at(self, identity: str, otherwise: int) -> int:
        """When a segment was opened, microseconds since 1970 UTC; `otherwise` where it is gone."""
        tracked = self.segments.get(identity)
        return otherwise if tracked is None else tracked.reader.opened_at

    def alive(self, process: str) -> bool:
        """Whether a writing process can still write."""
        process_counters = self.processes.get(process)
        return process_counters is not None and not process_counters.closed and process_counters.alive()

    def _seal_orphans(self) -> None:
        dead = {
            process for process in {tracked.process for tracked in self.segments.values()} if not self.alive(process)
        }
        taken = [tracked for tracked in self.segments.values() if tracked.process in dead and not tracked.sealed]
        if not taken:
            return
        unused: list[str] = []
        with self._spool.locked():
            there = {path.stem for path in self._spool.segments()}
            for tracked in taken:
                if tracked.reader.identity not in there or tracked.process not in dead:
                    continue
                if tracked.reader.state == segment.PREPARED and not tracked.reader.committed[1]:
                    unused.append(tracked.reader.identity)
                    continue
                self._correct(tracked)
                if tracked.reader.state != segment.SEALED:
                    tracked.reader.seal()
        self.recycle(unused)

    def _correct(self, tracked: TrackedSegment) -> None:
        """A dead writer's counter learns of the record that was committed and not counted, if it is really there."""
        counters, reader = self._counters_of(tracked.reader.writer), tracked.reader
        records, length = reader.committed
        one_more = counters is not None and reader.first_number + records == counters.records + 2
        if counters is not None and one_more and sum(1 for _ in reader.frames(0, length)) == records:
            counters.correct(counters.records + 1)

    def _counters_of(self, writer: str) -> WriterCounters | None:
        process_counters = self.processes.get(writer[:24])
        try:
            index = int(writer[24:], 16)
        except ValueError:
            return None
        return process_counters.writer(index) if process_counters is not None and 0 <= index < MAX_WRITERS else None

    def rows_a_record(self, tracked: TrackedSegment) -> float:
        """How many rows a record that waits has on average, of the segment's writer from the segment's first on; 1 where
        it is not known. Nothing but decoding would tell it of each record."""
        counters = self._counters_of(tracked.reader.writer)
        if counters is None:
            return 1.0
        first = tracked.reader.first_number + tracked.done[0]
        earlier = (note for note in reversed(self._growth.get(tracked.reader.writer, ())) if note[0] < first)
        records, rows = next(earlier, (0, 0))
        return (counters.rows - rows) / (counters.records - records) if counters.records > records else 1.0

    def _note_rows(self) -> None:
        """Notes how far each writer's records and rows are now."""
        found = {writer: counters for writer, _, counters in self.writers()}
        self._growth = {writer: self._growth.get(writer, deque(maxlen=_MAX_GROWTH)) for writer in found}
        for writer, counters in found.items():
            notes = self._growth[writer]
            if not notes or notes[-1][0] != counters.records:
                notes.append((counters.records, counters.rows))

    def recycle(self, identities: list[str]) -> None:
        """Frees the files of segments of which nothing is needed any more."""
        if not identities:
            return
        with self._spool.locked():
            for identity in identities:
                self._spool.recycle(identity)
        for identity in identities:
            self._forget(identity)

    def _forget(self, identity: str) -> None:
        del self.segments[identity]
        self._checkpoint.progress.pop(identity, None)

    def close(self) -> None:
        """Gives up the processes' files; the watcher is not looked at again."""
        for process_counters in self.processes.values():
            process_counters.close()

    def notes(self) -> list[Path]:
        """The notes of segments that were dropped."""
        return [path for path in self._spool.path("lost").iterdir() if path.name.count(".") == 3]

    def writers(self) -> Iterator[tuple[str, ProcessCounters, WriterCounters]]:
        """Writer, counters and counters of every counters that was used."""
        for process, process_counters in self.processes.items():
            for index, counters in process_counters.writers():
                yield f"{process}{index:08x}", process_counters, counters

    def entry(self, writer: str) -> tuple[LedgerState, WriterEntry] | None:
        """The ledger state and the entry of a writer of which anything is known."""
        for ledger_state in self._checkpoint.ledgers:
            if writer in ledger_state.writers:
                return ledger_state, ledger_state.writers[writer]
        process_counters = self.processes.get(writer[:24])
        header: Header | None = None if process_counters is None else segment.header_of(process_counters.header_text)
        if header is None:
            found = next((w for w in self.segments.values() if w.reader.writer == writer), None)
            header = None if found is None else found.reader.header
        if header is None:
            return None
        ledger_state = self._checkpoint.ledger_state(
            checkpoint.Stream.of(header), header.kms_key_id, self._clock() // 1000
        )
        return ledger_state, ledger_state.writers.setdefault(writer, checkpoint.new_entry())

    def count_in(self) -> None:
        """Takes over into the books what the processes say, and tells the processes what is settled."""
        for writer, process_counters, counters in self.writers():
            found = self.entry(writer)
            if found is not None:
                checkpoint.count_in(found[1], counters.reading(), counters.records)
                found[1].open = not process_counters.closed and process_counters.alive()
                counters.settle(checkpoint.settled(found[1]))
