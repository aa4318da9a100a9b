"""The shipper: takes what is committed in a spool, makes objects of it, delivers them, and accounts for every record.

One process for a spool. `step` looks once and does what is due; `run` steps until it is told to stop. The knobs are the
spool's: a batch is begun when the waiting records of equal headers reach `max_bytes`, `max_records` or `max_age_seconds`,
when their process has closed its buffer, or when the shipper is to stop.

Order of a batch, and what a crash at each point leaves
1. The manifest is written, under the spool's lock: from now on the segments are pinned. (Before: nothing happened.)
2. The batch is encoded whole, its objects are uploaded. (A crash: the next shipper finds the manifest and does it again.)
3. The state that says "done" replaces the old one. (A crash before: again, to the same keys with the same bytes.)
4. The manifest goes, segments are recycled, the ledgers are written. (A crash: the next shipper sees that it is done.)
"""

from __future__ import annotations

import contextlib
import gc
import logging
import time
import uuid
from typing import TYPE_CHECKING

import msgspec

from capture.ids import event_id_bytes, event_id_text
from capture.journal import segment
from capture.shipping import batch as batches
from capture.shipping import state
from capture.shipping.bookkeeper import Bookkeeper
from capture.shipping.delivery import Delivery, Kitchen, Sinks
from capture.shipping.scene import Scene, Watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from capture.config import CaptureConfig
    from capture.journal.spool import Spool
    from capture.shipping.batch import Manifest

log = logging.getLogger("capture.shipper")
_URGENT_SHARE = 0.25
_TRIES_BEFORE_HALVING = 3


class Shipper:
    """Ships one spool. The caller holds `shipper.lock`.

    `clock` gives nanoseconds since 1970 UTC, `monotonic` seconds; tests drive both.
    """

    def __init__(
        self,
        spool: Spool,
        config: CaptureConfig,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.draining = False
        self._spool = spool
        self._config = config
        self._clock = clock
        self._monotonic = monotonic
        self._state = state.load(spool.path("state"), uuid.uuid4().hex, clock() // 1000)
        self._scene = Scene(spool, self._state, clock, monotonic)
        self._kitchen = Kitchen()
        self._sinks = Sinks(monotonic)
        self._books = Bookkeeper(self._state, self._scene, self._sinks, clock, monotonic)
        self._delivery: Delivery | None = None
        self._scene.look()
        self._scene.find_lost()
        self._recover = self._unfinished()

    def step(self) -> bool:
        """Looks once and does what is due; whether there is more to do at once."""
        self._scene.look()
        self._give_up_damaged()
        if self._scene.used_notes:
            self._save()
        if self._delivery is None:
            self._begin()
        if self._delivery is not None and self._advance(self._delivery):
            self._finish(self._delivery)
            self._books.touch()
        self._recycle_done()
        self._books.end_writers(self._save)
        self._books.write_due(self._config.max_age_seconds, closed=False)
        return self._delivery is None and bool(self._due())

    def waiting(self) -> int:
        """Records that are committed and neither shipped nor given up."""
        return sum(watched.waiting[0] for watched in self._scene.watched.values())

    def idle(self) -> bool:
        """Whether nothing waits and no process can write into the spool."""
        return self._delivery is None and not self.waiting() and not self._scene.accounts

    def wait(self, seconds: float) -> None:
        """Waits for the thread that encodes, at most so long."""
        if self._delivery is not None:
            self._delivery.wait_encoded(seconds)

    @property
    def delivering(self) -> bool:
        """Whether a batch is being encoded."""
        return self._delivery is not None and self._delivery.objects is None

    def stop(self) -> str:
        """Writes the last ledgers and returns a line that says what was shipped."""
        self._scene.look()
        self._books.end_writers(self._save)
        self._books.write_all(closed=self.idle())
        with contextlib.suppress(OSError):
            self._save()
        self._kitchen.close()
        told = f"shipped {self._state.totals.records} records in {self._state.totals.objects} objects"
        return f"{told}, {self.waiting()} not shipped, {self._books.lost()} lost"

    def _unfinished(self) -> list[Path]:
        found: list[Path] = []
        for path in sorted(self._spool.path("batches").glob("*.json")):
            if path.stem == self._state.last_batch:
                path.unlink()
            else:
                found.append(path)
        for path in self._spool.path("batches").glob(".*.tmp"):
            path.unlink()
        return found

    def _begin(self) -> None:
        try:
            manifest = self._resume() or self._take()
            if manifest is None:
                return
            readers = {part.segment: self._scene.watched[part.segment].reader for part in manifest.parts}
            backlog = sum(watched.waiting[1] for watched in self._scene.watched.values())
            limit = self._spool.most_segments * self._spool.segment_bytes
            urgent = self.draining or backlog > _URGENT_SHARE * limit
            self._delivery = Delivery(
                manifest, readers, self._spool, self._kitchen, self._sinks, self._monotonic, urgent
            )
        except OSError as error:
            self._books.say(f"a batch cannot be begun: {error}")

    def _advance(self, delivery: Delivery) -> bool:
        try:
            return delivery.advance()
        except OSError as error:
            self._books.say(f"batch {delivery.manifest.batch} waits for the spool's disk: {error}")
            return False

    def _resume(self) -> Manifest | None:
        """A batch that an earlier shipper began; what is gone or damaged of it since is left out."""
        while self._recover:
            path = self._recover.pop(0)
            try:
                manifest = batches.decode(path.read_bytes())
            except (OSError, msgspec.DecodeError) as error:
                log.error("capture: the manifest %s is set aside: %s", path.name, error)
                path.rename(self._spool.path("set-aside") / path.name)
                continue
            manifest.parts = [part for part in manifest.parts if part.segment in self._scene.watched]
            if manifest.tries >= _TRIES_BEFORE_HALVING and manifest.records - len(manifest.aside) > 1:
                self._halve(manifest, path)
                continue
            if manifest.parts and manifest.tries >= _TRIES_BEFORE_HALVING:
                self._set_aside_killer(manifest)
            if manifest.parts:
                return manifest
            path.unlink()
        return None

    def _halve(self, manifest: Manifest, path: Path) -> None:
        """Makes two batches of one during which shippers died, until the record that kills them stands alone."""
        reader_of = {name: watched.reader for name, watched in self._scene.watched.items()}
        halves = batches.halve(manifest, reader_of, [self._new_batch(), self._new_batch()])
        for half in halves:
            target = self._spool.path("batches") / f"{half.batch}.json"
            state.write_whole(target, batches.encode(half))
            self._recover.append(target)
        path.unlink()

    def _set_aside_killer(self, manifest: Manifest) -> None:
        for part in manifest.parts:
            reader = self._scene.watched[part.segment].reader
            for number, (at, end, _) in enumerate(reader.frames(part.start, part.stop), part.first):
                if (part.writer, number) not in manifest.aside:
                    data = reader.frame_bytes(at, end)
                    (self._spool.path("set-aside") / f"{part.writer}.{number}.frame").write_bytes(data)
                    manifest.aside.append((part.writer, number))

    def _due(self) -> list[Watched]:
        """The waiting segments of the headers that have waited longest among those that a knob calls for."""
        groups: dict[bytes, list[Watched]] = {}
        for identity in sorted(self._scene.watched):
            watched = self._scene.watched[identity]
            if watched.waiting[0]:
                groups.setdefault(watched.reader.header_text, []).append(watched)
        due = [group for group in groups.values() if self._is_due(group)]
        return min(due, key=lambda group: min(watched.since or 0.0 for watched in group), default=[])

    def _is_due(self, group: list[Watched]) -> bool:
        config = self._config
        if self.draining or sum(watched.waiting[1] for watched in group) >= config.max_bytes:
            return True
        if sum(watched.waiting[0] for watched in group) >= config.max_records:
            return True
        oldest = min((watched.since for watched in group if watched.since is not None), default=self._monotonic())
        if self._monotonic() - oldest >= config.max_age_seconds:
            return True
        accounts = self._scene.accounts
        return any(watched.process in accounts and accounts[watched.process].closed for watched in group)

    def _take(self) -> Manifest | None:
        """Writes down what is due of one header, up to the size of a batch, and so pins it."""
        group = self._due()
        if not group:
            return None
        parts: list[batches.Part] = []
        size = records = 0
        with self._spool.locked():
            there = {path.stem for path in self._spool.segments()}
            for watched in group:
                if watched.reader.identity not in there:
                    continue
                part = self._part(watched)
                if part is not None:
                    parts.append(part)
                    size += part.stop - part.start
                    records += part.records
                if size >= self._config.max_bytes or records >= self._config.max_records:
                    break
            if not parts:
                return None
            manifest = batches.Manifest(self._new_batch(), group[0].reader.header, parts)
            path = self._spool.path("batches") / f"{manifest.batch}.json"
            state.write_whole(path, batches.encode(manifest))
        return manifest

    @staticmethod
    def _part(watched: Watched) -> batches.Part | None:
        """The whole records that wait in a segment: none where its first is damaged or not yet seen whole."""
        reader, (done, start) = watched.reader, watched.done
        committed, stop = reader.committed
        end, records = start, 0
        for _, frame_end, _ in reader.frames(start, stop):
            end, records = frame_end, records + 1
            if done + records == committed:
                break
        if not records:
            return None
        return batches.Part(reader.identity, reader.writer, start, end, reader.first_number + done, records)

    def _new_batch(self) -> str:
        return event_id_text(event_id_bytes(self._clock() // 1000))

    def _finish(self, delivery: Delivery) -> None:
        """Everything is uploaded: says so in the state, then lets go of what was pinned."""
        self._books.enter(delivery)
        for part in delivery.manifest.parts:
            watched = self._scene.watched[part.segment]
            watched.done = (part.first - watched.reader.first_number + part.records, part.stop)
            self._state.progress[part.segment] = watched.done
            watched.since = None
        self._state.last_batch = delivery.manifest.batch
        while not self._save():
            time.sleep(0.2)
        delivery.path.unlink(missing_ok=True)
        for part in delivery.manifest.parts:
            watched = self._scene.watched[part.segment]
            watched.reader.set_taken(*watched.done)
        self._delivery = None
        self._scene.count_in()
        gc.collect()

    def _give_up_damaged(self) -> None:
        """What stands behind the first damage of a segment that nobody writes any more is set aside and counted."""
        for identity, watched in list(self._scene.watched.items()):
            if watched.reader.state != segment.SEALED or not watched.waiting[1] or self._pinned(identity):
                continue
            if next(iter(watched.reader.frames(watched.done[1], watched.reader.committed[1])), None) is not None:
                continue
            reader = watched.reader
            records, length = reader.committed
            most = watched.done[0] + (len_left := length - watched.done[1]) // 64 + 1
            records = min(max(records, watched.done[0]), most)
            log.error("capture: %d bytes of segment %s are damaged and set aside", len_left, identity)
            data = reader.frame_bytes(watched.done[1], length)
            with contextlib.suppress(OSError):
                (self._spool.path("set-aside") / f"{identity}.{watched.done[1]}.data").write_bytes(data)
                self._scene.trim_aside()
            found = self._scene.entry(reader.writer)
            first = reader.first_number
            if found is not None and records > watched.done[0]:
                times = (reader.opened_at, self._clock() // 1000)
                state.lose(found[1], "corrupt", first + watched.done[0], first + records - 1, times)
            watched.done = (max(records, reader.committed[0]), length)
            self._state.progress[identity] = watched.done
            self._state.totals.damaged_segments += 1
            if self._save():
                reader.set_taken(*watched.done)

    def _pinned(self, identity: str) -> bool:
        if self._delivery is not None and any(part.segment == identity for part in self._delivery.manifest.parts):
            return True
        return bool(self._recover)

    def _recycle_done(self) -> None:
        done = [
            identity
            for identity, watched in self._scene.watched.items()
            if watched.reader.state == segment.SEALED
            and watched.done[0] >= watched.reader.committed[0]
            and not self._pinned(identity)
        ]
        self._scene.recycle(done)

    def _save(self) -> bool:
        """Saves the state; False, said in the log, where the disk does not take it."""
        notes = list(self._scene.used_notes)
        try:
            state.save(self._spool.path("state"), self._state)
        except OSError as error:
            self._books.say(f"the state cannot be saved: {error}")
            self._make_room()
            return False
        if notes:
            self._scene.drop_notes()
        return True

    def _make_room(self) -> None:
        """On a full disk, the file of a free segment is worth less than the state."""
        with self._spool.locked():
            for path in sorted(self._spool.path("free").iterdir())[:1]:
                path.unlink()
