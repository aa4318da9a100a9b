"""A delivery: one batch on its way, from its manifest to its last object.

It is a small state machine that the shipper advances, so that an outage of an hour leaves the shipper free to look after
everything else: *encoding* (in a thread of its own, low in priority), then *uploading* object by object, each again and
again with a pause that grows, until all are there. Errors of the sink are never final: credentials are mended, buckets
are made, and then it goes on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from capture.shipping import batch as batches
from capture.shipping.state import write_whole
from capture.sinks import SinkError, open_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from capture.encoding import EncodedObject
    from capture.journal.segment import SegmentReader
    from capture.journal.spool import Spool
    from capture.shipping.batch import Manifest, Spoiled
    from capture.sinks import Sink

log = logging.getLogger("capture.shipper")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
_SAY_AGAIN = 60.0
_LOWEST_PRIORITY = 19


class Kitchen:
    """Two threads that encode: one at the lowest priority, one at the process's own.

    A process without privileges cannot raise a priority that it lowered, but priority is a thread's: so each keeps its
    own, and a batch goes to the one that the backlog calls for.
    """

    def __init__(self) -> None:
        self._calm = ThreadPoolExecutor(1, "capture-encode-calm", initializer=_lower_priority)
        self._urgent = ThreadPoolExecutor(1, "capture-encode-urgent")

    def cook(
        self, manifest: Manifest, readers: Mapping[str, SegmentReader], urgent: bool
    ) -> Future[tuple[list[EncodedObject], list[Spoiled]]]:
        """Encodes a batch in one of the threads."""
        return (self._urgent if urgent else self._calm).submit(batches.encode_batch, manifest, readers)

    def close(self) -> None:
        """Ends the threads."""
        self._calm.shutdown(wait=False, cancel_futures=True)
        self._urgent.shutdown(wait=False, cancel_futures=True)


def _lower_priority() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)


class Sinks:
    """The sinks in use, opened once, and what they last said."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._open: dict[tuple[str, str | None], Sink] = {}
        self._monotonic = monotonic
        self._said: dict[str, float] = {}

    def put(self, destination: str, kms_key_id: str | None, key: str, body: bytes, content_type: str) -> bool:
        """Stores one object; False, said at most once a minute for a cause, where that fails."""
        try:
            sink = self._open.get((destination, kms_key_id))
            if sink is None:
                sink = self._open[destination, kms_key_id] = open_sink(destination, kms_key_id)
            sink.put(key, body, content_type)
        except SinkError as error:
            self._say(f"{destination}: {error}")
            return False
        return True

    def _say(self, what: str) -> None:
        now = self._monotonic()
        if now - self._said.get(what, -_SAY_AGAIN) >= _SAY_AGAIN:
            if len(self._said) > 100:
                self._said = {}
            self._said[what] = now
            log.warning("capture: not delivered, tried again: %s", what)


class Delivery:
    """One batch in flight. `objects` are None while they are encoded."""

    def __init__(
        self,
        manifest: Manifest,
        readers: Mapping[str, SegmentReader],
        spool: Spool,
        kitchen: Kitchen,
        sinks: Sinks,
        monotonic: Callable[[], float],
        urgent: bool,
    ) -> None:
        self.manifest = manifest
        self.objects: list[EncodedObject] | None = None
        self.failures = 0
        self._spool = spool
        self._sinks = sinks
        self._monotonic = monotonic
        self._next = 0
        self._not_before = 0.0
        self.path = spool.path("batches") / f"{manifest.batch}.json"
        manifest.tries += 1
        self.write_manifest()
        self._future = kitchen.cook(manifest, readers, urgent)

    def write_manifest(self) -> None:
        """Writes the manifest whole; raises OSError."""
        write_whole(self.path, batches.encode(self.manifest))

    def advance(self) -> bool:
        """Goes on as far as it can without waiting; whether every object is there. Raises OSError of the spool's disk."""
        if self.objects is None:
            self.objects = self._encoded()
        if self.objects is None:
            return False
        while self._next < len(self.objects):
            if self._monotonic() < self._not_before or not self._upload(self.objects[self._next]):
                return False
            self._next += 1
        return True

    def wait_encoded(self, seconds: float) -> None:
        """Waits, at most so long, for the thread that encodes."""
        if self.objects is None:
            wait([self._future], timeout=seconds)

    def _encoded(self) -> list[EncodedObject] | None:
        """The objects, once they are made and what spoiled is noted in the manifest; raises OSError."""
        if not self._future.done():
            return None
        objects, spoiled = self._future.result()
        known = set(self.manifest.aside)
        for record in spoiled:
            if (record.writer, record.number) in known:
                continue
            log.error("capture: record %s of writer %s is set aside: %s", record.number, record.writer, record.why)
            with contextlib.suppress(OSError):  # the record is told in the ledger, whether a copy fits the disk or not
                path = self._spool.path("set-aside") / f"{record.writer}.{record.number}.frame"
                path.write_bytes(record.frame)
            self.manifest.aside.append((record.writer, record.number))
        if spoiled:
            self.write_manifest()
        return objects

    def _upload(self, item: EncodedObject) -> bool:
        header = self.manifest.header
        if self._sinks.put(header.destination, header.kms_key_id, item.key, item.body, item.content_type):
            self.failures = 0
            return True
        self.failures += 1
        pause = min(_FIRST_PAUSE * 2.0 ** min(self.failures - 1, 10), _LONGEST_PAUSE)
        self._not_before = self._monotonic() + pause * random.uniform(0.5, 1.0)
        return False
