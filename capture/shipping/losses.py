"""Losses: the records that can no longer arrive, by number, and why.

A writer's numbers that are neither shipped nor lost already nor in any segment that stands in the spool were dropped at
its limit (a note in `lost/` says so), or were in a segment that is damaged or gone (decision 8). Counts come from the
accounts: what a damaged segment says of itself is no evidence.
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
_LEAST_FRAME = 32
_MAX_UNHEARD = 1_000_000


class Losses:
    """Enters losses into the books of one spool's state. `clock` gives nanoseconds since 1970 UTC.

    `used_notes` are the notes that the state has taken over and that may go once it is saved.
    """

    def __init__(self, spool: Spool, restored: Checkpoint, scene: SpoolWatcher, clock: Callable[[], int]) -> None:
        self.used_notes: list[str] = []
        self._spool = spool
        self._state = restored
        self._scene = scene
        self._clock = clock

    def give_up(self, watched: TrackedSegment) -> bool:
        """Sets aside and counts what stands behind the first damage of a segment that nobody writes any more; False
        where there is no damage, or the file is not that segment's any more."""
        reader, (done, start) = watched.reader, watched.done
        with self._spool.locked():
            records, length = reader.committed
            if not reader.path.exists() or next(iter(reader.frames(start, length)), None) is not None:
                return False
            data = reader.frame_bytes(start, length)
            writer, first, opened = reader.writer, reader.first_number, reader.opened_at
        log.error("capture: %d bytes of segment %s are damaged and set aside", len(data), reader.identity)
        with contextlib.suppress(OSError):
            self._spool.set_aside(f"{reader.identity}.{start}.data", data)
        watched.done = (max(records, done), length)
        watched.given_up = True
        self._state.progress[reader.identity] = watched.done
        self._state.totals.damaged_segments += 1
        times = (opened, self._clock() // 1000)
        account = self._scene.accounts.get(writer[:24])
        if account is None:
            self._lose_of_nobody(
                writer, first + done, first + min(records, done + len(data) // _LEAST_FRAME) - 1, times
            )
        elif not account.began_at <= opened <= times[1]:
            times = (account.began_at, times[1])
        self.find({writer: times})
        return True

    def _lose_of_nobody(self, writer: str, first: int, last: int, times: tuple[int, int]) -> None:
        """Counts damaged records of a writer without an account, if it was heard of before; else its very id may be what
        is damaged, and nothing is guessed."""
        for book in self._state.books:
            if writer in book.writers and 0 < first <= last <= book.writers[writer].kept + _MAX_UNHEARD:
                checkpoint.lose(book.writers[writer], "corrupt", first, last, times)

    def find(self, times: Mapping[str, tuple[int, int]] | None = None) -> None:
        """Enters into the books the records that can no longer arrive; `times` are those of a writer's, where known.

        The counters are read before the directory: whatever they count is in a segment that stands there, or is lost.
        """
        kept = {writer: lane.records for writer, _, lane in self._scene.lanes()}
        self._scene.look_at_segments()
        present: dict[str, list[ranges.Range]] = {}
        for watched in self._scene.watched.values():
            if not watched.given_up:
                first, records = watched.reader.first_number, watched.reader.committed[0]
                present.setdefault(watched.reader.writer, []).append((first, first + records - 1))
        notes = self._scene.notes()
        now = self._clock() // 1000
        for note in notes:
            writer, *texts = note.name.split(".")
            found = self._scene.entry(writer)
            if found is not None and all(text.isdigit() for text in texts):
                begin, end, opened = map(int, texts)
                checkpoint.lose(found[1], "spool_limit", begin, end, (opened, now))
        for writer, records in kept.items():
            found = self._scene.entry(writer)
            if found is None:
                continue
            known = [*found[1].shipped, *((item.first, item.last) for item in found[1].lost), *present.get(writer, [])]
            for first, last in ranges.subtract((1, records), known):
                checkpoint.lose(found[1], self._reason(), first, last, times.get(writer) if times else None)
        self.used_notes = [note.name for note in notes]

    def _reason(self) -> str:
        if self._state.fresh:
            return "unknown"
        return "corrupt" if self._state.totals.damaged_segments else "missing"

    def drop_notes(self) -> None:
        """Removes the notes that a saved state has taken over."""
        for name in self.used_notes:
            (self._spool.path("lost") / name).unlink(missing_ok=True)
        self.used_notes = []
