"""Housekeeping: what the shipper changes in the spool after a scan.

It quarantines what cannot be read, seals the segments of dead processes, frees segments of which nothing is needed any
more, and copies the checkpoint into the words (`taken`, `settled`) that other processes read.

A segment is taken from a writer only under the spool's lock and while its file still has its name. Without this, its
memory may already belong to another writer.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from capture.journal import segment
from capture.journal.counters import is_abandoned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from capture.journal.spool import Spool
    from capture.shipping.checkpoint import Checkpoint
    from capture.shipping.spool_watcher import SpoolWatcher, TrackedSegment
    from capture.shipping.writer_state import WriterState

log = logging.getLogger("capture.shipper")


class Housekeeping:
    """Keeps one spool in order. `clock` gives nanoseconds since 1970 UTC."""

    def __init__(self, spool: Spool, checkpoint: Checkpoint, watcher: SpoolWatcher, clock: Callable[[], int]) -> None:
        self._spool = spool
        self._checkpoint = checkpoint
        self._watcher = watcher
        self._clock = clock

    def scan(self) -> bool:
        """Scans the spool and tidies what the scan found. Returns True if records may have been lost since."""
        gone = self.scan_segments()
        self._watcher.scan_counters()
        for path in self._watcher.abandoned:
            self._put_away_counters(path)
        self._seal_orphans()
        self._watcher.note_progress()
        return gone or bool(self._watcher.notes())

    def scan_segments(self) -> bool:
        """Scans the segments and quarantines damaged ones. Returns True if segments disappeared since the last scan."""
        known = set(self._watcher.segments)
        gone = self._watcher.scan_segments()
        for path, damage in self._watcher.damaged.items():
            log.error("capture: a segment is quarantined: %s", damage)
            self._spool.quarantine_file(path)
            self._checkpoint.count_damaged_segment()
        self._watcher.damaged.clear()
        for identity in known - set(self._watcher.segments):
            self._checkpoint.forget_segment(identity)
        for identity in set(self._watcher.segments) - known:
            tracked = self._watcher.segments[identity]
            tracked.reader.set_taken(*tracked.done)
        return gone

    def recycle(self, identities: Iterable[str]) -> None:
        """Frees the files of segments of which nothing is needed any more."""
        identities = list(identities)
        if not identities:
            return
        with self._spool.locked():
            for identity in identities:
                self._spool.recycle(identity)
        for identity in identities:
            self._watcher.forget(identity)
            self._checkpoint.forget_segment(identity)

    def known_writer(self, writer: str) -> WriterState | None:
        """Returns the checkpoint's state of a writer. Adds one if the writer's stream is known; None if it is not."""
        state = self._checkpoint.writer(writer)
        header = self._watcher.header_of(writer) if state is None else None
        return state if header is None else self._checkpoint.add_writer(writer, header, self._clock() // 1000)

    def exchange_counts(self) -> None:
        """Copies each writer's counters into the checkpoint, and the number of settled records back into the counters."""
        for writer, process_counters, counters in self._watcher.writers():
            if self.known_writer(writer) is not None:
                alive = not process_counters.closed and process_counters.alive()
                state = self._checkpoint.count(writer, counters.reading(), counters.records, open=alive)
                counters.settle(state.settled)

    def _put_away_counters(self, path: Path) -> None:
        """Quarantines a counters file that this version cannot read, and removes an unfinished one, if no process holds it."""
        with self._spool.locked():
            if not is_abandoned(path):
                self._watcher.unreadable_counters = True
                return
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                if not file.read(8).strip(b"\0"):
                    path.unlink()
                    return
        log.error("capture: the counters file of process %s is not of this version and is quarantined", path.name)
        self._spool.quarantine_file(path)

    def _seal_orphans(self) -> None:
        """Seals the segments of dead processes, and frees those that no record was written to."""
        segments = self._watcher.segments.values()
        dead = {process for process in {one.process for one in segments} if not self._watcher.alive(process)}
        orphans = [tracked for tracked in segments if tracked.process in dead and not tracked.sealed]
        if not orphans:
            return
        unused: list[str] = []
        with self._spool.locked():
            there = {path.stem for path in self._spool.segments()}
            for tracked in orphans:
                if tracked.reader.identity not in there or tracked.process not in dead:
                    continue
                if tracked.reader.state == segment.PREPARED and not tracked.reader.committed[1]:
                    unused.append(tracked.reader.identity)
                    continue
                self._count_last_record(tracked)
                if tracked.reader.state != segment.SEALED:
                    tracked.reader.seal()
        self.recycle(unused)

    def _count_last_record(self, tracked: TrackedSegment) -> None:
        """Counts the record that a dead writer committed and did not live to count, if it can be read."""
        counters, reader = self._watcher.counters_of(tracked.reader.writer), tracked.reader
        records, length = reader.committed
        one_more = counters is not None and reader.first_number + records == counters.records + 2
        if counters is not None and one_more and sum(1 for _ in reader.frames(0, length)) == records:
            counters.correct(counters.records + 1)
