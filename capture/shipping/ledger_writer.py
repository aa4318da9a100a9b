"""The ledger writer: publishes what a spool has shipped, lost and still holds.

A ledger is written at start, after each batch, at stop, and every `max_age_seconds` while nothing happens, so that a reader
can tell a quiet instance from a dead one. A ledger that cannot be delivered is tried again. The checkpoint has its content
until then.
"""

from __future__ import annotations

import time
from concurrent.futures import wait
from typing import TYPE_CHECKING, NamedTuple

from capture import dataset, ledger
from capture.dataset import DAY
from capture.shipping.checkpoint import ledger_of
from capture.shipping.checkpoint_file import Stream
from capture.shipping.uploader import Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from capture.shipping.checkpoint import Checkpoint, StreamView
    from capture.shipping.housekeeping import Housekeeping
    from capture.shipping.spool_watcher import SpoolWatcher
    from capture.shipping.uploader import Uploader

GRACE = 60_000_000
"""Microseconds that a request may take: what arrived less than this ago may not have been appended yet."""
_RETRY = 5.0


class _Published(NamedTuple):
    """The content of a day's delivered ledger: its `complete_until` and its number of objects."""

    until: int
    objects: int


class _PendingWrite(NamedTuple):
    """Ledgers in delivery: what each publishes, by stream and day, in the order of their uploads."""

    future: Future[int]
    published: list[tuple[tuple[Stream, int], _Published]]
    closed: bool


class LedgerWriter:
    """Writes the ledgers of one spool. `published_closed` is True once all are delivered that call the spool closed."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        watcher: SpoolWatcher,
        housekeeping: Housekeeping,
        uploader: Uploader,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self.published_closed = False
        self._checkpoint = checkpoint
        self._watcher = watcher
        self._housekeeping = housekeeping
        self._uploader = uploader
        self._clock = clock
        self._monotonic = monotonic
        self._due_at = monotonic()
        self._closing = False
        self._next_after: int | None = None
        self._delivered = False
        self._pending_write: _PendingWrite | None = None
        self._published: dict[tuple[Stream, int], _Published] = {}

    def mark_dirty(self, days: Iterable[tuple[StreamView, int]] = ()) -> None:
        """Notes that the ledgers have changed, and whose objects are new: by stream and day."""
        self._due_at = self._monotonic()
        for state, day in days:
            self._published.pop((state.stream, day), None)

    def write_due(self, heartbeat: float, closed: bool) -> None:
        """Sends the ledgers if they have changed or the last ones are `heartbeat` seconds old.

        `closed` is True once nothing waits and no process can write. This alone is a change, too.
        """
        self._next_after = int(heartbeat * 1e6) + GRACE
        self._receive()
        if closed != self._closing:
            self._closing = closed
            self.mark_dirty()
        if self._pending_write is None and self._monotonic() >= self._due_at:
            self._due_at = self._monotonic() + heartbeat
            self._send(closed)

    def write_last(self, closed: bool, seconds: float) -> bool:
        """Writes every ledger once more and waits at most `seconds`. Returns True if all are delivered."""
        end = time.monotonic() + seconds
        for closes in (None, closed):
            if self._pending_write is None and closes is not None:
                self._next_after = None
                self._send(closes)
            if self._pending_write is not None:
                wait([self._pending_write.future], timeout=max(end - time.monotonic(), 0.0))
                self._receive()
        return self._pending_write is None and self._delivered

    @property
    def under_way(self) -> Future[int] | None:
        """The ledgers that are being delivered, or None."""
        return None if self._pending_write is None else self._pending_write.future

    def _receive(self) -> None:
        """Notes which ledgers were delivered."""
        if self._pending_write is None or not self._pending_write.future.done():
            return
        written, self._pending_write = self._pending_write, None
        arrived = written.future.result()
        self._published.update(written.published[:arrived])
        self._delivered = arrived == len(written.published)
        if not self._delivered:
            self._due_at = self._monotonic() + _RETRY
        else:
            self.published_closed = written.closed
            self._checkpoint.forget_published()

    def _send(self, closed: bool) -> None:
        """Sends the ledger of each day that has changed."""
        now, spool = self._clock() // 1000, self._checkpoint.spool
        uploads: list[Upload] = []
        published: list[tuple[tuple[Stream, int], _Published]] = []
        next_by = None if closed or self._next_after is None else now + self._next_after
        for state in self._streams():
            until = now if closed else self._complete_until(state, now)
            for day in self._days(state, now):
                name, new = (state.stream, day), _Published(until, len(state.days.get(day, ())))
                last = self._published.get(name)
                if last is not None and last.until >= day + DAY and last.objects == new.objects:
                    continue
                uploads.append(self._upload(state, day, ledger_of(spool, state, day, now, until, closed, next_by)))
                published.append((name, new))
        self._pending_write = _PendingWrite(self._uploader.send(uploads), published, closed)

    @staticmethod
    def _upload(state: StreamView, day: int, content: ledger.Ledger) -> Upload:
        stream = state.stream
        key = str(dataset.LedgerKey(stream.endpoint_name, stream.variant_name, day, content.spool))
        return Upload(stream.destination, state.kms_key_id, key, ledger.encode(content), "application/json")

    @staticmethod
    def _days(state: StreamView, now: int) -> list[int]:
        """Returns the days that have a ledger: those with objects, and the last eight since the stream began."""
        today = now // DAY * DAY
        first = max(min(state.began, now) // DAY * DAY, today - 7 * DAY)
        return [day for day in sorted({*state.days, *range(first, today + 1, DAY)}) if day >= state.forgotten]

    def _streams(self) -> Sequence[StreamView]:
        """Returns every stream. A writer that has done nothing yet is in one, too."""
        for writer, _, _ in self._watcher.writers():
            self._housekeeping.known_writer(writer)
        return self._checkpoint.streams

    def _complete_until(self, state: StreamView, now: int) -> int:
        """Returns the time before which every record of the stream is shipped or lost, by event time (docs/dataset.md)."""
        waiting = (tracked for tracked in self._watcher.segments.values() if tracked.waiting[0])
        times = (
            self._watcher.first_waiting_time(tracked) or tracked.reader.opened_at
            for tracked in waiting
            if Stream.of(tracked.reader.header) == state.stream
        )
        return min([now, *times]) - GRACE
