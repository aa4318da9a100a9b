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
from capture.shipping import checkpoint, trial_encoding
from capture.shipping.batch_memory import BatchTooLarge
from capture.shipping.daemon_executor import DaemonExecutor
from capture.shipping.delivery import Delivery, EncoderThreads
from capture.shipping.flush_policy import FlushPolicy
from capture.shipping.ledger_writer import LedgerWriter
from capture.shipping.losses import Losses
from capture.shipping.pending_batches import PendingBatches
from capture.shipping.spool_watcher import SpoolWatcher
from capture.shipping.uploader import Uploader
from capture.sinks import open_sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from capture.config import CaptureConfig
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
        self._checkpoint = checkpoint.load(spool.path("state"), uuid.uuid4().hex, clock() // 1000)
        self._named = spool.path("state").exists()
        self._watcher = SpoolWatcher(spool, self._checkpoint, clock, monotonic)
        self._policy = FlushPolicy(config, spool, self._watcher, monotonic)
        self._encoders = EncoderThreads()
        self._uploader = Uploader(monotonic, opener)
        self._losses = Losses(spool, self._checkpoint, self._watcher, clock)
        self._ledgers = LedgerWriter(self._checkpoint, self._watcher, self._losses, self._uploader, clock, monotonic)
        self._delivery: Delivery | None = None
        self._survives = survives
        self._trial_executor = DaemonExecutor("capture-trial")
        self._trial: Future[bool] | None = None
        self._watcher.scan()
        self._pending = PendingBatches(spool, self._checkpoint.last_batch, self._watcher.segments, self._new_batch)
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
            self._ledgers.say(f"the spool's disk fails, tried again: {error}")
            with contextlib.suppress(SpoolError):
                self._spool.prepare()
            return False

    def _step(self) -> bool:
        vanished = self._watcher.scan()
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
        self._ledgers.end_writers(self._save)
        if (
            self._named or self._save()
        ):  # ledgers bear the spool's name: one that a crash forgets would be missed for ever
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

    @property
    def failing(self) -> bool:
        """Whether a sink refuses what is to be delivered."""
        return self._delivery is not None and self._delivery.failures > 0

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
            self._watcher.scan()
            self._ledgers.end_writers(self._save)
            if self._save() and not self.ended():
                self._ledgers.write_last(self.idle(), seconds)
        except (OSError, SpoolError) as error:
            self._ledgers.say(f"the spool's disk fails: {error}")
        self.close()
        return self.result()

    def result(self) -> str:
        """Returns a line that says what was shipped."""
        told = f"shipped {self._checkpoint.totals.records} records in {self._checkpoint.totals.objects} objects"
        return f"{told}, {self.waiting()} not shipped, {self._ledgers.lost()} lost"

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
            manifest, readers, self._spool, self._encoders, self._uploader, self._monotonic, self._urgent()
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
        """Advances a delivery; returns whether all of it is there. A batch that is too large goes on as two halves."""
        try:
            return delivery.advance()
        except BatchTooLarge as error:
            log.info("capture: %s", error)
            error.__traceback__ = None  # it holds the batch's objects
            self._delivery = None
            self._pending.take_back(delivery.manifest)
            return False

    def _finish(self, delivery: Delivery) -> bool:
        """Everything is uploaded: says so in the state, then lets go of what was pinned. False where the disk does not
        take it; the books have it by then, and it is tried again."""
        parts = delivery.manifest.parts
        if not delivery.entered:
            self._ledgers.enter(delivery)
            for part in parts:
                tracked = self._watcher.segments.get(part.segment)
                if tracked is not None:
                    done = part.first - tracked.reader.first_number + part.records
                    tracked.done = self._checkpoint.progress[part.segment] = (done, part.stop)
                    tracked.since = None
            self._checkpoint.last_batch = delivery.manifest.batch
            delivery.entered = True
        if not self._save():
            return False
        delivery.path.unlink(missing_ok=True)
        for part in parts:
            tracked = self._watcher.segments.get(part.segment)
            if tracked is not None:
                tracked.reader.set_taken(*tracked.done)
        self._delivery = None
        self._watcher.count_in()
        self._ledgers.mark_dirty()
        gc.collect()
        return True

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
        self._watcher.recycle(
            [name for name, one in tracked if one.sealed and not one.waiting[0] and name not in pinned]
        )

    def _save(self) -> bool:
        """Saves the state; False, said in the log, where the disk does not take it."""
        notes = list(self._losses.used_notes)
        try:
            checkpoint.save(self._spool.path("state"), self._checkpoint)
        except OSError as error:
            self._ledgers.say(f"the state cannot be saved: {error}")
            self._make_room()
            return False
        self._named = True
        if notes:
            self._losses.drop_notes()
        return True

    def _make_room(self) -> None:
        """On a full disk, the file of a free segment is worth less than the state."""
        with self._spool.locked(), contextlib.suppress(OSError):
            for path in sorted(self._spool.path("free").iterdir())[:1]:
                path.unlink()
