"""Pending: the manifests that stand in `batches/` and are not in flight, in the order in which their records stand.

At most one batch is taken at a time, so all that pends is one batch or what it was halved into. What an earlier shipper
left is told apart by name: the batch that the state calls its last is done; a half whose whole still stands there is
none (nothing of it was uploaded, and the whole will be halved again).
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from capture.durable_file import write_whole
from capture.shipping import batch as batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from capture.journal.spool import Spool
    from capture.shipping.batch import Manifest
    from capture.shipping.spool_watcher import TrackedSegment

log = logging.getLogger("capture.shipper")
_MAX_TRIES, _MAX_TRIES_ALONE = 12, 50
"""Deaths of shippers, over one batch or one record, that are taken for its fault though no probe found one."""


class PendingBatches:
    """The manifests of one spool; `tracked` are its segments, `new_batch` gives ids."""

    def __init__(
        self, spool: Spool, last_batch: str, tracked: Mapping[str, TrackedSegment], new_batch: Callable[[], str]
    ) -> None:
        self._spool = spool
        self._watched = tracked
        self._new_batch = new_batch
        self._half_names: dict[str, tuple[str, str]] = {}
        self._manifests = deque(self._left_by_another(last_batch))

    def __len__(self) -> int:
        return len(self._manifests)

    def pins(self) -> Iterator[str]:
        """The segments that are named."""
        return (part.segment for manifest in self._manifests for part in manifest.parts)

    def write(self, manifest: Manifest) -> None:
        """Writes a new manifest, which so pins its segments; raises OSError with nothing pinned."""
        write_whole(self._path(manifest.batch), batches.encode(manifest))
        self._manifests.append(manifest)

    def next(self) -> Manifest | None:
        """What is to be delivered next, after what had to be halved or left out; None where nothing pends.

        Raises OSError, with everything still pending.
        """
        while self._manifests:
            manifest = self._manifests[0]
            manifest.parts = [part for part in manifest.parts if part.segment in self._watched]
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
            self._set_aside_killer(manifest)
            manifest.tries = 0

    def take_back(self, manifest: Manifest) -> None:
        """A batch in flight, of which nothing was uploaded, is too large: it pends again, as two halves.

        Raises OSError; then the whole batch pends.
        """
        manifest.tries = 0
        self._manifests.appendleft(manifest)
        self._halve(manifest, tries=0)

    def _remove(self, manifest: Manifest) -> None:
        self._path(manifest.batch).unlink(missing_ok=True)
        self._manifests.popleft()

    def delivered_now(self) -> None:
        """The next one is in flight and pends no more; its file stands until it is done."""
        self._manifests.popleft()

    def _path(self, batch: str) -> Path:
        return self._spool.path("batches") / f"{batch}.json"

    def _left_by_another(self, last_batch: str) -> list[Manifest]:
        directory = self._spool.path("batches")
        for path in directory.glob(".*.tmp"):
            path.unlink()
        found: dict[str, Manifest] = {}
        for path in directory.glob("*.json"):
            if path.stem == last_batch:
                path.unlink()
                continue
            try:
                found[path.stem] = batches.decode(path.read_bytes())
            except msgspec.DecodeError as error:
                log.error("capture: the manifest %s is quarantined: %s", path.name, error)
                self._spool.quarantine_file(path)
        for name, manifest in list(found.items()):
            if manifest.parent in found:
                self._path(name).unlink()
                del found[name]
        return sorted(found.values(), key=lambda manifest: [(part.segment, part.start) for part in manifest.parts])

    def _halve(self, manifest: Manifest, tries: int) -> None:
        """Makes two batches of the next one."""
        names = self._half_names.setdefault(manifest.batch, (self._new_batch(), self._new_batch()))
        readers = {name: tracked.reader for name, tracked in self._watched.items()}
        halves = batches.halve(manifest, readers, names, tries)
        for half in halves:
            write_whole(self._path(half.batch), batches.encode(half))
        self._path(manifest.batch).unlink()
        self._manifests.popleft()
        self._manifests.extendleft(reversed(halves))

    def _set_aside_killer(self, manifest: Manifest) -> None:
        for part in manifest.parts:
            reader = self._watched[part.segment].reader
            for number, (at, end, _) in enumerate(reader.frames(part.start, part.stop), part.first):
                if (part.writer, number) not in manifest.aside:
                    log.error("capture: record %d of writer %s ends its encoder: quarantined", number, part.writer)
                    with contextlib.suppress(OSError):
                        self._spool.quarantine(f"{part.writer}.{number}.frame", reader.frame_bytes(at, end))
                    manifest.aside.append((part.writer, number))
