"""Losses: the records that can no longer arrive, by number, and why.

A record that is neither shipped nor lost nor in a segment of the spool was dropped at the spool's limit (a note in `lost/`
says so), or was in a segment that is damaged or gone (decision 8). The counters files say how many records there were: a
damaged segment's own count is not evidence.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from capture.shipping import ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from capture.journal.spool import Spool
    from capture.shipping.checkpoint import Checkpoint
    from capture.shipping.housekeeping import Housekeeping
    from capture.shipping.spool_watcher import SpoolWatcher, TrackedSegment

log = logging.getLogger("capture.shipper")
_MIN_FRAME = 32
_MAX_UNHEARD = 1_000_000


class Losses:
    """Enters losses into the checkpoint of one spool. `clock` gives nanoseconds since 1970 UTC.

    `used_notes` are the notes that the checkpoint has taken over. They are removed once it is saved.
    """

    def __init__(
        self,
        spool: Spool,
        checkpoint: Checkpoint,
        watcher: SpoolWatcher,
        housekeeping: Housekeeping,
        clock: Callable[[], int],
    ) -> None:
        self.used_notes: list[str] = []
        self._spool = spool
        self._checkpoint = checkpoint
        self._watcher = watcher
        self._housekeeping = housekeeping
        self._clock = clock

    def give_up(self, tracked: TrackedSegment) -> bool:
        """Quarantines and counts what follows the first damage of a segment that has no writer any more.

        Returns False if there is no damage, or if the file now belongs to another segment.
        """
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
        self._checkpoint.set_progress(reader.identity, *tracked.done)
        self._checkpoint.count_damaged_segment()
        times = (opened, self._clock() // 1000)
        process_counters = self._watcher.processes.get(writer[:24])
        if process_counters is None:
            last = first + min(records, done + len(data) // _MIN_FRAME) - 1
            self._lose_without_counters(writer, first + done, last, times)
        elif not process_counters.began_at <= opened <= times[1]:
            times = (process_counters.began_at, times[1])
        self.find({writer: times})
        return True

    def _lose_without_counters(self, writer: str, first: int, last: int, times: tuple[int, int]) -> None:
        """Counts damaged records of a writer without a counters file, if the checkpoint knows the writer. If it does not,
        the writer's id itself may be damaged, and nothing is counted."""
        state = self._checkpoint.writer(writer)
        if state is not None and 0 < first <= last <= state.kept + _MAX_UNHEARD:
            self._checkpoint.lose(writer, "corrupt", first, last, times)

    def find(self, times: Mapping[str, tuple[int, int]] | None = None) -> None:
        """Enters into the checkpoint the records that can no longer arrive. `times` has a writer's event times, if known.

        The counters are read before the directory: a record that they count is then in a segment that exists, or lost.
        """
        kept = {writer: counters.records for writer, _, counters in self._watcher.writers()}
        self._housekeeping.scan_segments()
        present: dict[str, list[ranges.Range]] = {}
        for tracked in self._watcher.segments.values():
            if not tracked.given_up:
                first, records = tracked.reader.first_number, tracked.reader.committed[0]
                present.setdefault(tracked.reader.writer, []).append((first, first + records - 1))
        notes = self._watcher.notes()
        now = self._clock() // 1000
        for note in notes:
            writer, *texts = note.name.split(".")
            if all(text.isdigit() for text in texts) and self._housekeeping.known_writer(writer) is not None:
                begin, end, opened = map(int, texts)
                self._checkpoint.lose(writer, "spool_limit", begin, end, (opened, now))
        for writer, records in kept.items():
            state = self._housekeeping.known_writer(writer)
            if state is None:
                continue
            known = [*state.shipped, *((item.first, item.last) for item in state.lost), *present.get(writer, [])]
            for first, last in ranges.subtract((1, records), known):
                self._checkpoint.lose(writer, self._reason(), first, last, times.get(writer) if times else None)
        self.used_notes = [note.name for note in notes]

    def _reason(self) -> str:
        if self._checkpoint.fresh:
            return "unknown"
        return "corrupt" if self._checkpoint.damaged_segments else "missing"

    def drop_notes(self) -> None:
        """Removes the notes that a saved checkpoint has taken over."""
        for name in self.used_notes:
            (self._spool.path("lost") / name).unlink(missing_ok=True)
        self.used_notes = []
