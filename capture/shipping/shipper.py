"""The shipper: takes what is committed in a spool, makes objects of it, delivers them, and accounts for every record.

One process for a spool. `step` looks once and does what is due, and never waits for an encoder or a sink; `wait` does.
A batch is begun when the flush policy calls for it (`flush_policy.py`), when the records' process has closed its buffer, or when the
shipper is to stop.

Order of a batch, and what a crash at each point leaves
1. The manifest is written, under the spool's lock: from now on the segments are pinned. (Before: nothing happened.)
2. The batch is encoded whole, the manifest says so, its objects are uploaded. (A crash: the next shipper finds the
   manifest and does it again, to the same keys with the same bytes.)
3. The state that says "done" replaces the old one. (A crash before: again, as in 2.)
4. The manifest goes, segments are recycled, the ledgers are written. (A crash: the next shipper sees that it is done.)

What fails for want of disk stays where it is and is tried at the next step: no step leaves half of another done.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import time
import uuid
from concurrent.futures import FIRST_COMPLETED, wait
from typing import TYPE_CHECKING, Any

from capture.errors import SpoolError
from capture.event_id import event_id_bytes, event_id_text
from capture.shipping import batch as batches
from capture.shipping import trial_encoding
from capture.shipping.batch_entry import BatchEntry
from capture.shipping.batch_memory import BatchTooLarge
from capture.shipping.checkpoint import Checkpoint
from capture.shipping.daemon_executor import DaemonExecutor
from capture.shipping.delivery import Delivery, EncoderThreads
from capture.shipping.ended_processes import EndedProcesses
from capture.shipping.flush_policy import FlushPolicy
from capture.shipping.housekeeping import Housekeeping
from capture.shipping.ledger_writer import LedgerWriter
from capture.shipping.losses import Losses
from capture.shipping.manifest_files import ManifestFiles
from capture.shipping.pending_batches import PendingBatches
from capture.shipping.spool_watcher import SpoolWatcher
from capture.shipping.uploader import Uploader
from capture.sinks import open_sink
from capture.throttled_log import ThrottledLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from capture.config import CaptureConfig
    from capture.journal.segment import SegmentReader
    from capture.journal.spool import Spool
    from capture.shipping.batch import Manifest
    from capture.sinks import Sink

log = logging.getLogger("capture.shipper")
_URGENT_SHARE = 0.25


class Shipper:
    """Ships one spool. The caller holds `shipper.lock`.

    `clock` gives nanoseconds since 1970 UTC, `monotonic` seconds, `opener` the sink of a destination, `survives`
    says of a batch in a spool whether a process survives encoding it; tests bring their own. `ending` says that the
    ledgers may call the spool closed once nothing waits and nobody can write; `disk_fails` that the last step could not
    do what it should.
    """

    def __init__(
        self,
        spool: Spool,
        config: CaptureConfig,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        opener: Callable[[str, str | None], Sink] = open_sink,
        survives: Callable[[Path, str], bool] = trial_encoding.survives,
    ) -> None:
        """Looks at the spool; raises OSError or SpoolError where that cannot be done."""
        self.ending = False
        self.disk_fails = False
        self._spool = spool
        self._heartbeat = config.max_age_seconds
        self._clock = clock
        self._monotonic = monotonic
        self._checkpoint = Checkpoint.load(spool.path("state"), uuid.uuid4().hex, clock() // 1000)
        self._checkpoint.keep_only(
            {path.stem for path in spool.segments()}, {path.name for path in spool.counter_files()}
        )
        self._watcher = SpoolWatcher(spool, self._done_of, clock, monotonic)
        self._policy = FlushPolicy(config, spool, self._watcher, monotonic)
        self._encoders = EncoderThreads()
        self._uploader = Uploader(monotonic, opener)
        self._housekeeping = Housekeeping(spool, self._checkpoint, self._watcher, clock)
        self._losses = Losses(spool, self._checkpoint, self._watcher, self._housekeeping, clock)
        self._ended = EndedProcesses(self._checkpoint, self._watcher, self._housekeeping, self._losses)
        self._ledgers = LedgerWriter(
            self._checkpoint, self._watcher, self._housekeeping, self._uploader, clock, monotonic
        )
        self._entering = BatchEntry(self._checkpoint, self._watcher, clock)
        self._log = ThrottledLog(log, monotonic)
        self._files = ManifestFiles(spool)
        self._delivery: Delivery | None = None
        self._survives = survives
        self._trial_executor = DaemonExecutor("capture-trial")
        self._trial: Future[bool] | None = None
        self._housekeeping.scan()
        self._pending = PendingBatches(
            spool, self._files, self._checkpoint.last_batch, self._watcher.segments, self._new_batch
        )
        self._give_up_damaged()
        self._losses.find()

    def step(self) -> bool:
        """Looks once and does what is due; whether there is more to do at once. Raises SpoolError where the spool is gone."""
        try:
            self.disk_fails = False
            return self._step()
        except (OSError, SpoolError) as error:
            if not self._spool.path("segments").is_dir():
                where = self._spool.directory
                raise SpoolError(f"the spool directory {where} was removed under the shipper") from error
            self.disk_fails = True
            self._log.error("spool", f"the spool's disk fails, tried again: {error}")
            with contextlib.suppress(SpoolError):
                self._spool.prepare()
            return False

    def _step(self) -> bool:
        vanished = self._housekeeping.scan()
        self._give_up_damaged()
        if vanished:
            self._losses.find()
        if self._losses.used_notes:
            self._save()
        if self._delivery is None:
            self._begin()
        else:
            self._delivery.hasten(self._urgent())
        under_way = self._delivery is not None
        finished = self._delivery is not None and self._arrived(self._delivery) and self._finish(self._delivery)
        self._recycle_done()
        self._end_processes()
        # Save the spool's id first. If a crash loses it, readers report this instance as missing forever.
        if self._checkpoint.saved or self._save():
            self._ledgers.write_due(self._heartbeat, closed=self.ending and self.idle())
        if finished:
            return bool(self._pending or self._policy.due())
        return under_way and self._delivery is None  # it was halved

    def drain(self) -> None:
        """From now on everything that is committed is taken at once, and a sink that fails is asked again soon."""
        self._policy.draining = True
        if self._delivery is not None:
            self._delivery.hurry()

    def waiting(self) -> int:
        """Records that are committed and neither shipped nor given up."""
        return sum(tracked.waiting[0] for tracked in self._watcher.segments.values())

    def idle(self) -> bool:
        """Whether nothing waits and no process can write into the spool."""
        busy = (
            self._delivery is not None or self._pending or self._watcher.processes or self._watcher.unreadable_counters
        )
        return not busy and not self.waiting()

    def ended(self) -> bool:
        """Whether it is idle, and the ledgers say that the spool is closed."""
        return self.idle() and self._ledgers.published_closed

    def wait(self, seconds: float) -> bool:
        """Waits for what a thread does just now, at most so long; False, at once, where none does anything."""
        delivered = self._trial if self._delivery is None else self._delivery.under_way
        futures: list[Future[Any]] = [one for one in (delivered, self._ledgers.under_way) if one is not None]
        if futures:
            wait(futures, timeout=seconds, return_when=FIRST_COMPLETED)
        return bool(futures)

    def stop(self, seconds: float = 3.0) -> str:
        """Writes the last ledgers, waiting for them at most so long; returns a line that says what was shipped."""
        try:
            self._housekeeping.scan()
            self._end_processes()
            if self._save() and not self.ended():
                self._ledgers.write_last(self.idle(), seconds)
        except (OSError, SpoolError) as error:
            self._log.error("spool", f"the spool's disk fails: {error}")
        self.close()
        return self.result()

    def result(self) -> str:
        """Returns a line that says what was shipped."""
        records, objects = self._checkpoint.shipped
        lost = self._checkpoint.lost
        return f"shipped {records} records in {objects} objects, {self.waiting()} not shipped, {lost} lost"

    def close(self) -> None:
        """Ends the threads, whatever they do, and closes the counters."""
        self._encoders.close()
        self._uploader.close()
        self._trial_executor.close()
        self._watcher.close()

    def _begin(self) -> None:
        if not self._pending:
            self._take()
        while (manifest := self._pending.next()) is not None and manifest.tries and not manifest.encoded:
            survived = self._survived(manifest)
            if survived:
                break
            if survived is None:
                return
            self._pending.blame(manifest)
        if manifest is None:
            return
        readers = {part.segment: self._watcher.segments[part.segment].reader for part in manifest.parts}
        self._delivery = Delivery(
            manifest, readers, self._spool, self._files, self._encoders, self._uploader, self._monotonic, self._urgent()
        )
        self._pending.delivered_now()
        if self._policy.draining:
            self._delivery.hurry()

    def _urgent(self) -> bool:
        """Whether encoding may disturb others: so much waits, or so little time is left."""
        backlog = sum(tracked.waiting[1] for tracked in self._watcher.segments.values())
        limit = self._spool.max_segments * self._spool.segment_bytes
        return self._policy.draining or backlog > _URGENT_SHARE * limit

    def _survived(self, manifest: Manifest) -> bool | None:
        """Whether a child survives encoding a batch over which an earlier shipper died; None while it tries."""
        if self._trial is None:
            self._trial = self._trial_executor.submit(self._survives, self._spool.directory, manifest.batch)
        if not self._trial.done():
            return None
        survived, self._trial = self._trial.result(), None
        return survived

    def _take(self) -> None:
        """Writes down what is due of one header, up to the size of a batch, and so pins it."""
        due = self._policy.due()
        if not due:
            return
        with self._spool.locked():
            there = {path.stem for path in self._spool.segments()}
            for group in due:
                parts = self._policy.parts(group, there)
                if parts:
                    self._pending.write(batches.Manifest(self._new_batch(), group[0].reader.header, parts))
                    return

    def _new_batch(self) -> str:
        return event_id_text(event_id_bytes(self._clock() // 1000))

    def _arrived(self, delivery: Delivery) -> bool:
        """Advances a delivery. Returns True if all of it is stored. A batch that is too large goes on as two halves."""
        try:
            return delivery.advance()
        except BatchTooLarge as error:
            log.info("capture: %s", error)
            error.__traceback__ = None  # it holds the batch's objects
            self._delivery = None
            self._pending.take_back(delivery.manifest)
            return False

    def _finish(self, delivery: Delivery) -> bool:
        """Enters a batch whose objects are all uploaded, then unpins its segments. Returns False if the checkpoint cannot be
        saved: the batch is entered by then, and saving is tried again."""
        parts = delivery.manifest.parts
        if not delivery.entered:
            self._ledgers.mark_dirty(self._entering.enter(delivery))
            delivery.entered = True
        if not self._save():
            return False
        self._files.remove(delivery.manifest.batch)
        for part in parts:
            tracked = self._watcher.segments.get(part.segment)
            if tracked is not None:
                tracked.reader.set_taken(*tracked.done)
        self._delivery = None
        self._housekeeping.exchange_counts()
        self._ledgers.mark_dirty()
        gc.collect()
        return True

    def _end_processes(self) -> None:
        if self._ended.end(self._save):
            self._ledgers.mark_dirty()

    def _done_of(self, reader: SegmentReader) -> tuple[int, int]:
        """Returns how much of a new segment is done. Without a checkpoint, the segment's own word says it."""
        done = self._checkpoint.progress(reader.identity)
        if done is not None:
            return done
        return reader.taken if self._checkpoint.fresh else (0, 0)

    def _pinned(self) -> set[str]:
        pinned = set(self._pending.pins())
        if self._delivery is not None:
            pinned.update(part.segment for part in self._delivery.manifest.parts)
        return pinned

    def _give_up_damaged(self) -> None:
        """What stands behind the first damage of a segment that nobody writes any more is quarantined and counted."""
        pinned = self._pinned()
        for identity, tracked in list(self._watcher.segments.items()):
            behind = tracked.sealed and tracked.waiting[0] and identity not in pinned
            if behind and self._losses.give_up(tracked) and self._save():
                tracked.reader.set_taken(*tracked.done)

    def _recycle_done(self) -> None:
        pinned = self._pinned()
        tracked = self._watcher.segments.items()
        self._housekeeping.recycle(
            name for name, one in tracked if one.sealed and not one.waiting[0] and name not in pinned
        )

    def _save(self) -> bool:
        """Saves the checkpoint. Returns False, and logs it, if the disk refuses."""
        notes = list(self._losses.used_notes)
        try:
            self._checkpoint.save()
        except OSError as error:
            self._log.error("spool", f"the checkpoint cannot be saved: {error}")
            self._make_room()
            return False
        if notes:
            self._losses.drop_notes()
        return True

    def _make_room(self) -> None:
        """Removes the file of a free segment, so that a full disk takes the checkpoint."""
        with self._spool.locked(), contextlib.suppress(OSError):
            for path in sorted(self._spool.path("free").iterdir())[:1]:
                path.unlink()
