"""Batch entry: what the checkpoint learns of a batch once all of its objects are uploaded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from capture.shipping import ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from capture.shipping.batch import Encoded, SegmentRange
    from capture.shipping.checkpoint import Checkpoint, StreamView
    from capture.shipping.delivery import Delivery
    from capture.shipping.spool_watcher import SpoolWatcher

log = logging.getLogger("capture.shipper")


class BatchEntry:
    """Enters batches into the checkpoint of one spool. `clock` gives nanoseconds since 1970 UTC."""

    def __init__(self, checkpoint: Checkpoint, watcher: SpoolWatcher, clock: Callable[[], int]) -> None:
        self._checkpoint = checkpoint
        self._watcher = watcher
        self._clock = clock
        self._renamed: set[str] = set()

    def enter(self, delivery: Delivery) -> list[tuple[StreamView, int]]:
        """Enters a batch. The caller saves the checkpoint. Returns the stream and day of each object.

        Raises ValueError if the batch is not encoded.
        """
        manifest, made = delivery.manifest, delivery.encoded
        if made is None:
            raise ValueError(f"batch {manifest.batch} is not encoded")
        now = self._clock() // 1000
        for part in manifest.parts:
            self._checkpoint.add_writer(part.writer, manifest.header, now)
            left_out = _left_out(part, manifest.unencodable, made)
            pinned = (part.first, part.first + part.records - 1)
            for first, last in ranges.subtract(pinned, [(first, last) for _, first, last in left_out]):
                self._checkpoint.ship(part.writer, first, last)
            for reason, first, last in left_out:
                times = (self._watcher.opened_at(part.segment, now), now)
                self._checkpoint.lose(part.writer, reason, first, last, times)
            tracked = self._watcher.segments.get(part.segment)
            if tracked is not None:
                tracked.done = (part.first - tracked.reader.first_number + part.records, part.stop)
                tracked.since = None
                self._checkpoint.set_progress(part.segment, *tracked.done)
        for item in made.objects:
            self._log_renamed(item.counts.renamed)
        changed = self._checkpoint.enter_objects(manifest.header, made.objects, now)
        self._checkpoint.finish_batch(manifest.batch)
        return changed

    def _log_renamed(self, names: Iterable[str]) -> None:
        for name in sorted(set(names) - self._renamed):
            self._renamed.add(name)
            log.warning("capture: the feature %r has a reserved name and is captured as feature_%s", name, name)


def _left_out(part: SegmentRange, unencodable: Iterable[tuple[str, int]], made: Encoded) -> list[tuple[str, int, int]]:
    """Returns the records of a part that the objects leave out: reason, first and last number."""
    first, last = part.first, part.first + part.records - 1
    found = [("unencodable", number, number) for writer, number in unencodable if writer == part.writer]
    found += [("corrupt", start, end) for writer, start, end in made.damaged if writer == part.writer]
    return [entry for entry in found if first <= entry[1] and entry[2] <= last]
