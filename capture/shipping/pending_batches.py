"""Pending batches: manifests that are written and not in delivery, in the order of their records.

The shipper takes one batch at a time, so these are one batch or its halves, and what an earlier shipper left.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING

from capture.shipping import batch as batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from capture.journal.spool import Spool
    from capture.shipping.batch import Manifest
    from capture.shipping.manifest_files import ManifestFiles
    from capture.shipping.spool_watcher import TrackedSegment

log = logging.getLogger("capture.shipper")
_MAX_TRIES, _MAX_TRIES_ALONE = 12, 50
"""Deaths of shippers during one batch, or one record, after which it counts as their cause even if a trial found nothing."""


class PendingBatches:
    """The pending batches of one spool. `tracked` are its segments, `new_batch` gives ids."""

    def __init__(
        self,
        spool: Spool,
        files: ManifestFiles,
        last_batch: str,
        tracked: Mapping[str, TrackedSegment],
        new_batch: Callable[[], str],
    ) -> None:
        self._spool = spool
        self._files = files
        self._tracked = tracked
        self._new_batch = new_batch
        self._half_names: dict[str, tuple[str, str]] = {}
        self._manifests = deque(files.left(last_batch))

    def __len__(self) -> int:
        return len(self._manifests)

    def pins(self) -> Iterator[str]:
        """The segments that are named."""
        return (part.segment for manifest in self._manifests for part in manifest.parts)

    def write(self, manifest: Manifest) -> None:
        """Writes a new manifest, which so pins its segments; raises OSError with nothing pinned."""
        self._files.write(manifest)
        self._manifests.append(manifest)

    def next(self) -> Manifest | None:
        """What is to be delivered next, after what had to be halved or left out; None where nothing pends.

        Raises OSError, with everything still pending.
        """
        while self._manifests:
            manifest = self._manifests[0]
            manifest.parts = [part for part in manifest.parts if part.segment in self._tracked]
            if not manifest.parts:
                self._remove(manifest)
                continue
            most = _MAX_TRIES if manifest.divisible else _MAX_TRIES_ALONE
            if manifest.encoded or manifest.tries < most:
                return manifest
            self.blame(manifest)
        return None

    def blame(self, manifest: Manifest) -> None:
        """The next batch ends whoever encodes it: it goes on as two halves, or, of one record, without it."""
        if manifest.divisible:
            log.error("capture: batch %s ends the process that encodes it: it goes on as two halves", manifest.batch)
            self._halve(manifest, tries=1)
        else:
            self._leave_out_killer(manifest)
            manifest.tries = 0

    def take_back(self, manifest: Manifest) -> None:
        """Takes back a batch in delivery that is too large and of which nothing was uploaded. It goes on as two halves.

        Raises OSError; then the whole batch is pending.
        """
        manifest.tries = 0
        self._manifests.appendleft(manifest)
        self._halve(manifest, tries=0)

    def _remove(self, manifest: Manifest) -> None:
        self._files.remove(manifest.batch)
        self._manifests.popleft()

    def delivered_now(self) -> None:
        """The next one is in flight and pends no more; its file stands until it is done."""
        self._manifests.popleft()

    def _halve(self, manifest: Manifest, tries: int) -> None:
        """Makes two batches of the next one."""
        names = self._half_names.setdefault(manifest.batch, (self._new_batch(), self._new_batch()))
        readers = {name: tracked.reader for name, tracked in self._tracked.items()}
        halves = batches.halve(manifest, readers, names, tries)
        for half in halves:
            self._files.write(half)
        self._files.remove(manifest.batch)
        self._manifests.popleft()
        self._manifests.extendleft(reversed(halves))

    def _leave_out_killer(self, manifest: Manifest) -> None:
        for part in manifest.parts:
            reader = self._tracked[part.segment].reader
            for number, (at, end, _) in enumerate(reader.frames(part.start, part.stop), part.first):
                if (part.writer, number) not in manifest.unencodable:
                    log.error("capture: record %d of writer %s ends its encoder: quarantined", number, part.writer)
                    with contextlib.suppress(OSError):
                        self._spool.quarantine(f"{part.writer}.{number}.frame", reader.frame_bytes(at, end))
                    manifest.unencodable.append((part.writer, number))
