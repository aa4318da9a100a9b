"""A delivery: one batch on its way, from its manifest to its last object.

It is a small state machine that the shipper advances, so that an outage of an hour leaves the shipper free to look after
everything else: *encoding* (in a thread of its own, low in priority), then *uploading* object by object, each again and
again with a pause that grows, until all are there, then *entered* in the books.

Between encoding and the first upload the manifest is written once more: it then names the records that no object can
hold, and says that the batch can be encoded, after which it is never split, because a part of it may be at its
destination already.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from capture.shipping import batch as batches
from capture.shipping.daemon_executor import DaemonExecutor
from capture.shipping.uploader import Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from capture.journal.segment import SegmentReader
    from capture.journal.spool import Spool
    from capture.shipping.batch import Encoded, Manifest
    from capture.shipping.manifest_files import ManifestFiles
    from capture.shipping.uploader import Uploader

log = logging.getLogger("capture.shipper")
_PATIENCE, _MAX_PATIENCE = 2.0, 30.0
_FIRST_PAUSE, _MAX_PAUSE, _MAX_PAUSE_IN_HURRY = 0.25, 30.0, 1.0


@dataclass(frozen=True)
class EncodeJob:
    """A batch to be encoded, until it is `given_up`."""

    manifest: Manifest
    readers: Mapping[str, SegmentReader]
    urgent: bool
    given_up: threading.Event = field(default_factory=threading.Event)


class EncoderThreads:
    """Two threads that encode: one at the lowest priority, one at the process's own.

    A process without privileges cannot raise a priority that it lowered, but priority is a thread's: so each keeps its
    own, and a batch goes to the one that the backlog calls for.
    """

    def __init__(self) -> None:
        self._calm = DaemonExecutor("capture-encode-calm", calm=True)
        self._urgent = DaemonExecutor("capture-encode-urgent")

    def submit(self, job: EncodeJob) -> Future[Encoded]:
        """Encodes a batch in one of the threads."""
        thread = self._urgent if job.urgent else self._calm
        return thread.submit(batches.encode_batch, job.manifest, job.readers, job.given_up.is_set)

    @property
    def held_up(self) -> bool:
        """Whether the calm thread is still at a batch that was taken from it."""
        return self._calm.busy

    def close(self) -> None:
        """Ends the threads."""
        self._calm.close()
        self._urgent.close()


class Delivery:
    """One batch in flight. `encoded` is None while it is encoded; `entered` is the shipper's note that the ledgers have it."""

    def __init__(
        self,
        manifest: Manifest,
        readers: Mapping[str, SegmentReader],
        spool: Spool,
        files: ManifestFiles,
        encoders: EncoderThreads,
        uploader: Uploader,
        monotonic: Callable[[], float],
        urgent: bool,
    ) -> None:
        """Writes down that encoding begins, and begins it; raises OSError, with nothing begun."""
        self.manifest = manifest
        self.encoded: Encoded | None = None
        self.entered = False
        self.failures = 0
        self._spool = spool
        self._files = files
        self._uploader = uploader
        self._monotonic = monotonic
        self._done = 0
        self._max_pause = _MAX_PAUSE
        self._not_before = 0.0
        self._sent: Future[int] | None = None
        manifest.tries += 1
        try:
            self._files.write(manifest)
        except OSError:
            manifest.tries -= 1
            raise
        self._encoders = encoders
        self._job = EncodeJob(manifest, readers, urgent or encoders.held_up)
        self._begun = monotonic()
        self._encoding = encoders.submit(self._job)

    def advance(self) -> bool:
        """Goes on as far as it can without waiting; whether every object is there. Raises OSError of the spool's disk."""
        if self.encoded is None and self._encoding.done():
            self._note(self._encoding.result())
            self.encoded = self._encoding.result()
        if self.encoded is None or not self._received():
            return False
        if self._done == len(self.encoded.objects):
            return True
        if self._monotonic() >= self._not_before:
            header = self.manifest.header
            item = self.encoded.objects[self._done]
            upload = Upload(header.destination, header.kms_key_id, item.key, item.body, item.content_type)
            self._sent = self._uploader.send([upload])
        return False

    def hurry(self) -> None:
        """Little time is left: tries again at once, and then with short pauses."""
        if self._max_pause != _MAX_PAUSE_IN_HURRY:
            self._max_pause = _MAX_PAUSE_IN_HURRY
            self._not_before = 0.0

    def hasten(self, urgent: bool) -> None:
        """Where a busy machine keeps the calm thread from encoding, the urgent one does it instead: soon if the backlog
        grows or the end is near (`urgent`), and else before the records are much older than their age allows."""
        if self._job.urgent or self.encoded is not None or self._encoding.done():
            return
        if self._monotonic() - self._begun >= (_PATIENCE if urgent else _MAX_PATIENCE):
            self._job.given_up.set()
            self._job = replace(self._job, urgent=True, given_up=threading.Event())
            self._encoding = self._encoders.submit(self._job)

    @property
    def under_way(self) -> Future[Encoded] | Future[int] | None:
        """What a thread does for this batch just now."""
        return self._encoding if self.encoded is None else self._sent

    def _note(self, encoded: Encoded) -> None:
        """Writes down, before anything is uploaded, what is left out of the objects."""
        manifest = self.manifest
        known = set(manifest.unencodable)
        for record in encoded.spoiled:
            if (record.writer, record.number) in known:
                continue
            log.error("capture: record %s of writer %s is quarantined: %s", record.number, record.writer, record.why)
            with contextlib.suppress(OSError):  # the ledger names the record, whether a copy fits the disk or not
                self._spool.quarantine(f"{record.writer}.{record.number}.frame", record.frame)
            manifest.unencodable.append((record.writer, record.number))
        if encoded.spoiled or not manifest.encoded:
            before, manifest.encoded = manifest.encoded, True
            try:
                self._files.write(manifest)
            except OSError:
                manifest.encoded = before
                raise

    def _received(self) -> bool:
        """Whether no object is on its way; one that was is there, or is tried again after a pause."""
        if self._sent is None:
            return True
        if not self._sent.done():
            return False
        arrived, self._sent = self._sent.result(), None
        self._done += arrived
        if arrived:
            self.failures = 0
        else:
            pause = min(_FIRST_PAUSE * 2.0 ** min(self.failures, 10), self._max_pause)
            self._not_before = self._monotonic() + pause * random.uniform(0.5, 1.0)
            self.failures += 1
        return True
