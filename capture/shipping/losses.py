"""Losses: the records that can no longer arrive, by number, and why.

A writer's numbers that are neither shipped nor lost already nor in any segment that stands in the spool were dropped at
its limit (a note in `lost/` says so), or were in a segment that is damaged or gone (decision 8). Counts come from the
processes: what a damaged segment says of itself is no evidence.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from capture.shipping import checkpoint, ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from capture.journal.spool import Spool
    from capture.shipping.checkpoint import Checkpoint
    from capture.shipping.spool_watcher import SpoolWatcher, TrackedSegment

log = logging.getLogger("capture.shipper")
_MIN_FRAME = 32
_MAX_UNHEARD = 1_000_000


class Losses:
    """Enters losses into the books of one spool's state. `clock` gives nanoseconds since 1970 UTC.

    `used_notes` are the notes that the state has taken over and that may go once it is saved.
    """

    def __init__(self, spool: Spool, restored: Checkpoint, watcher: SpoolWatcher, clock: Callable[[], int]) -> None:
        self.used_notes: list[str] = []
        self._spool = spool
        self._checkpoint = restored
        self._watcher = watcher
        self._clock = clock

    def give_up(self, tracked: TrackedSegment) -> bool:
        """Sets aside and counts what stands behind the first damage of a segment that nobody writes any more; False
        where there is no damage, or the file is not that segment's any more."""
        reader, (done, start) = tracked.reader, tracked.done
        with self._spool.locked():
            records, length = reader.committed
            if not reader.path.exists() or next(iter(reader.frames(start, length)), None) is not None:
                return False
            data = reader.frame_bytes(start, length)
            writer, first, opened = reader.writer, reader.first_number, reader.opened_at
        log.error("capture: %d bytes of segment %s are damaged and quarantined", len(data), reader.identity)
        with contextlib.suppress(OSError):
            self._spool.quarantine(f"{reader.identity}.{start}.data", data)
        tracked.done = (max(records, done), length)
        tracked.given_up = True
        self._checkpoint.progress[reader.identity] = tracked.done
        self._checkpoint.totals.damaged_segments += 1
        times = (opened, self._clock() // 1000)
        process_counters = self._watcher.processes.get(writer[:24])
        if process_counters is None:
            self._lose_of_nobody(writer, first + done, first + min(records, done + len(data) // _MIN_FRAME) - 1, times)
        elif not process_counters.began_at <= opened <= times[1]:
            times = (process_counters.began_at, times[1])
        self.find({writer: times})
        return True

    def _lose_of_nobody(self, writer: str, first: int, last: int, times: tuple[int, int]) -> None:
        """Counts damaged records of a writer without a counters file, if it was heard of before; else its very id may be what
        is damaged, and nothing is guessed."""
        for ledger_state in self._checkpoint.ledgers:
            if writer in ledger_state.writers and 0 < first <= last <= ledger_state.writers[writer].kept + _MAX_UNHEARD:
                checkpoint.lose(ledger_state.writers[writer], "corrupt", first, last, times)

    def find(self, times: Mapping[str, tuple[int, int]] | None = None) -> None:
        """Enters into the books the records that can no longer arrive; `times` are those of a writer's, where known.

        The counters are read before the directory: whatever they count is in a segment that stands there, or is lost.
        """
        kept = {writer: counters.records for writer, _, counters in self._watcher.writers()}
        self._watcher.scan_segments()
        present: dict[str, list[ranges.Range]] = {}
        for tracked in self._watcher.segments.values():
            if not tracked.given_up:
                first, records = tracked.reader.first_number, tracked.reader.committed[0]
                present.setdefault(tracked.reader.writer, []).append((first, first + records - 1))
        notes = self._watcher.notes()
        now = self._clock() // 1000
        for note in notes:
            writer, *texts = note.name.split(".")
            found = self._watcher.entry(writer)
            if found is not None and all(text.isdigit() for text in texts):
                begin, end, opened = map(int, texts)
                checkpoint.lose(found[1], "spool_limit", begin, end, (opened, now))
        for writer, records in kept.items():
            found = self._watcher.entry(writer)
            if found is None:
                continue
            known = [*found[1].shipped, *((item.first, item.last) for item in found[1].lost), *present.get(writer, [])]
            for first, last in ranges.subtract((1, records), known):
                checkpoint.lose(found[1], self._reason(), first, last, times.get(writer) if times else None)
        self.used_notes = [note.name for note in notes]

    def _reason(self) -> str:
        if self._checkpoint.fresh:
            return "unknown"
        return "corrupt" if self._checkpoint.totals.damaged_segments else "missing"

    def drop_notes(self) -> None:
        """Removes the notes that a saved state has taken over."""
        for name in self.used_notes:
            (self._spool.path("lost") / name).unlink(missing_ok=True)
        self.used_notes = []
