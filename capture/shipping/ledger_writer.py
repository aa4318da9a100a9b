"""The bookkeeper: enters what was shipped and lost into the books, and writes the ledgers.

A ledger is written after each batch, at start, at stop, and every `max_age_seconds` while nothing happens, so that a
reader can tell a quiet instance from a dead one. A ledger that cannot be delivered is tried again; the books stand in
the state meanwhile.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import wait
from typing import TYPE_CHECKING, NamedTuple

from capture import dataset, ledger
from capture.dataset import DAY
from capture.journal.counters import Latency
from capture.shipping import checkpoint, ranges
from capture.shipping.uploader import Upload

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from capture.shipping.checkpoint import Checkpoint, LedgerState
    from capture.shipping.delivery import Delivery
    from capture.shipping.losses import Losses
    from capture.shipping.spool_watcher import SpoolWatcher
    from capture.shipping.uploader import Uploader

log = logging.getLogger("capture.shipper")
GRACE = 60_000_000
"""Microseconds that a request may take: what arrived so shortly ago may not have been appended yet."""
_MAX_OBJECTS = 20_000
_MAX_ENDED = 1_000
_RETRY = 5.0
_SAY_AGAIN = 60.0


class _Published(NamedTuple):
    """The content of a day's delivered ledger: its `complete_until` and its number of objects."""

    until: int
    objects: int


class _PendingWrite(NamedTuple):
    """Ledgers on their way: what each publishes, by ledger state and day, in the order of their uploads."""

    future: Future[int]
    published: list[tuple[tuple[str, int], _Published]]
    closed: bool


class LedgerWriter:
    """Keeps the books of one spool's state.

    `told_closed` says that every ledger is delivered in which the spool stands as closed.
    """

    def __init__(
        self,
        restored: Checkpoint,
        watcher: SpoolWatcher,
        losses: Losses,
        uploader: Uploader,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self.published_closed = False
        self._checkpoint = restored
        self._watcher = watcher
        self._losses = losses
        self._uploader = uploader
        self._clock = clock
        self._monotonic = monotonic
        self._due_at = monotonic()
        self._closing = False
        self._next_after: int | None = None
        self._delivered = False
        self._pending_write: _PendingWrite | None = None
        self._published: dict[tuple[str, int], _Published] = {}
        self._said = -_SAY_AGAIN
        self._renamed: set[str] = set()

    def mark_dirty(self) -> None:
        """A ledger has something new to say."""
        self._due_at = self._monotonic()

    def say(self, what: str) -> None:
        """Logs trouble at most once a minute."""
        if self._monotonic() - self._said >= _SAY_AGAIN:
            self._said = self._monotonic()
            log.error("capture: %s", what)

    def enter(self, delivery: Delivery) -> None:
        """Enters a batch of which every object is uploaded."""
        manifest, made, totals = delivery.manifest, delivery.encoded, self._checkpoint.totals
        if made is None:
            raise ValueError(f"batch {manifest.batch} is not encoded")
        stream = checkpoint.Stream.of(manifest.header)
        now = self._clock() // 1000
        ledger_state = self._checkpoint.ledger_state(stream, manifest.header.kms_key_id, now)
        for part in manifest.parts:
            entry = ledger_state.writers.setdefault(part.writer, checkpoint.new_entry())
            pinned = (part.first, part.first + part.records - 1)
            left_out = [("unencodable", number, number) for writer, number in manifest.aside if writer == part.writer]
            left_out += [("corrupt", first, last) for writer, first, last in made.damaged if writer == part.writer]
            left_out = [entry for entry in left_out if pinned[0] <= entry[1] and entry[2] <= pinned[1]]
            for first, last in ranges.subtract(pinned, [(first, last) for _, first, last in left_out]):
                checkpoint.ship(entry, first, last)
            for reason, first, last in left_out:
                checkpoint.lose(entry, reason, first, last, (self._watcher.opened_at(part.segment, now), now))
        for item in made.objects:
            day = item.event_times[0] // DAY * DAY
            objects = ledger_state.days.setdefault(day, {})
            objects[item.key] = ledger.ObjectEntry(item.rows, item.events, item.event_times)
            self._published.pop((_name(ledger_state), day), None)
            totals.objects += 1
            totals.records += item.events
            totals.rows += item.rows
            totals.bytes += len(item.body)
            totals.rescued_cells += item.counts.rescued_cells
            totals.refused_names += item.counts.refused_names
            totals.renamed_features += len(item.counts.renamed)
            totals.row_mismatches += item.counts.row_mismatches
            self._say_renamed(item.counts.renamed)
        totals.batches += 1
        self._prune(ledger_state)

    def _say_renamed(self, names: tuple[str, ...]) -> None:
        for name in sorted(set(names) - self._renamed):
            self._renamed.add(name)
            log.warning(
                "capture: the feature %r has a name of the dataset's own: it is captured as feature_%s", name, name
            )

    def _prune(self, ledger_state: LedgerState) -> None:
        """Forgets the oldest days when the state becomes large; their ledgers are delivered."""
        while len(ledger_state.days) > 2 and sum(map(len, ledger_state.days.values())) > _MAX_OBJECTS:
            oldest = min(ledger_state.days)
            del ledger_state.days[oldest]
            ledger_state.forgotten = max(ledger_state.forgotten, oldest + DAY)

    def lost(self) -> int:
        """Records that were accepted and will not arrive."""
        told = sum(self._checkpoint.totals.ended_lost.values())
        entries = [entry for ledger_state in self._checkpoint.ledgers for entry in ledger_state.writers.values()]
        return told + sum(item.last - item.first + 1 for entry in entries if not entry.told for item in entry.lost)

    def end_writers(self, save: Callable[[], bool]) -> None:
        """Closes the counters of processes that are dead and of whose records none waits."""
        watcher = self._watcher
        watcher.count_in()
        dead = {process for process, process_counters in watcher.processes.items() if not process_counters.alive()}
        if not dead:
            return
        watcher.scan_segments()  # the dead enter no segment any more: what is to be seen of them is seen now
        busy = {tracked.process for tracked in watcher.segments.values()}
        for process in dead - busy:
            if process not in self._checkpoint.ended and not self._end(process):
                self._losses.find()
            elif save():
                watcher.processes[process].path.unlink(missing_ok=True)
                watcher.processes.pop(process).close()
                self._checkpoint.ended.remove(process)
                self.mark_dirty()

    def _end(self, process: str) -> bool:
        """Adds a process's counters to the totals; False where something of it still waits."""
        process_counters, totals = self._watcher.processes[process], self._checkpoint.totals
        found = [
            (self._watcher.entry(writer), counters)
            for writer, owner, counters in self._watcher.writers()
            if owner is process_counters
        ]
        if any(pair is not None and pair[1].waiting for pair, _ in found):
            return False
        latency = Latency(*totals.ended_latency[:3], dict(totals.ended_latency[3]))
        for pair, counters in found:
            counts = counters.reading()
            entry = checkpoint.new_entry() if pair is None else pair[1]
            if pair is None:  # no header tells where it belongs: it is counted, and stands in no ledger
                checkpoint.count_in(entry, counts, 0)
                checkpoint.lose(entry, "unknown", 1, entry.kept)
            entry.open, entry.told = False, True
            totals.ended_appended += entry.appended
            totals.ended_sampled_out += counts.sampled_out
            totals.ended_shipped += ranges.count(entry.shipped)
            totals.ended_rows += counts.rows
            totals.ended_bytes += counts.bytes
            _add(totals.ended_refused, counts.refused)
            for item in entry.lost:
                _add(totals.ended_lost, {item.reason: item.last - item.first + 1})
            latency.add(counts.latency)
        totals.ended_latency = (latency.count, latency.total, latency.longest, latency.buckets)
        segments, size = process_counters.drops
        totals.dropped_segments += segments
        totals.dropped_bytes += size
        self._checkpoint.ended.append(process)
        return True

    def write_due(self, heartbeat: float, closed: bool) -> None:
        """Sends the ledgers if there is something to say, or if nothing was said for `heartbeat` seconds.

        `closed` says that the spool is at its end: then that is something to say.
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
        """Writes every ledger once more and waits for it, at most so long; whether all are delivered."""
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
        """The ledgers that are being delivered just now."""
        return None if self._pending_write is None else self._pending_write.future

    def _receive(self) -> None:
        """Takes note of the ledgers that arrived."""
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
            for ledger_state in self._checkpoint.ledgers:
                self._forget_ended(ledger_state)

    def _send(self, closed: bool) -> None:
        """Sends the ledger of each day that has something new to say."""
        now = self._clock() // 1000
        uploads: list[Upload] = []
        published: list[tuple[tuple[str, int], _Published]] = []
        for ledger_state in self._ledger_states():
            until = now if closed else self._complete_until(ledger_state, now)
            for day in self._days(ledger_state, now):
                name, new = (_name(ledger_state), day), _Published(until, len(ledger_state.days.get(day, ())))
                last = self._published.get(name)
                if last is not None and last.until >= day + DAY and last.objects == new.objects:
                    continue
                key = str(
                    dataset.LedgerKey(
                        ledger_state.stream.endpoint_name, ledger_state.stream.variant_name, day, self._checkpoint.spool
                    )
                )
                next_by = None if closed or self._next_after is None else now + self._next_after
                body = ledger.encode(
                    checkpoint.ledger_of(self._checkpoint, ledger_state, day, now, until, closed, next_by)
                )
                uploads.append(
                    Upload(ledger_state.stream.destination, ledger_state.kms_key_id, key, body, "application/json")
                )
                published.append((name, new))
        self._pending_write = _PendingWrite(self._uploader.send(uploads), published, closed)

    @staticmethod
    def _days(ledger_state: LedgerState, now: int) -> list[int]:
        """The days of which the ledger state has a ledger: those of its objects, and the last eight that it saw."""
        today = now // DAY * DAY
        first = max(min(ledger_state.began, now) // DAY * DAY, today - 7 * DAY)
        return [
            day for day in sorted({*ledger_state.days, *range(first, today + 1, DAY)}) if day >= ledger_state.forgotten
        ]

    def _ledger_states(self) -> list[LedgerState]:
        """Every ledger state there is; a writer that has done nothing yet stands in one, too."""
        for writer, _, _ in self._watcher.writers():
            self._watcher.entry(writer)
        return self._checkpoint.ledgers

    def _complete_until(self, ledger_state: LedgerState, now: int) -> int:
        """Every record whose event time lies before this has been shipped or given up (DESIGN section 5)."""
        waiting = (tracked for tracked in self._watcher.segments.values() if tracked.waiting[0])
        times = (
            self._watcher.first_waiting_time(tracked) or tracked.reader.opened_at
            for tracked in waiting
            if checkpoint.Stream.of(tracked.reader.header) == ledger_state.stream
        )
        return min([now, *times]) - GRACE

    @staticmethod
    def _forget_ended(ledger_state: LedgerState) -> None:
        """Of very many writers that ended, those that name no gap need not be told again."""
        whole = [
            writer
            for writer, entry in ledger_state.writers.items()
            if entry.told and not entry.lost and not entry.refused
        ]
        for writer in whole[:-_MAX_ENDED]:
            del ledger_state.writers[writer]


def _name(ledger_state: LedgerState) -> str:
    return "\0".join(
        (ledger_state.stream.destination, ledger_state.stream.endpoint_name, ledger_state.stream.variant_name)
    )


def _add(into: dict[str, int], counts: dict[str, int]) -> None:
    for name, number in counts.items():
        into[name] = into.get(name, 0) + number
