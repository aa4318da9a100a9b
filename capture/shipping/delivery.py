"""A delivery: one batch on its way, from its manifest to its last object.

It is a small state machine that the shipper advances, so that an outage of an hour leaves the shipper free to look after
everything else: *encoding* (in a thread of its own, low in priority), then *uploading* object by object, each again and
again with a pause that grows, until all are there. Errors of the sink are never final: credentials are mended, buckets
are made, and then it goes on.
"""

from __future__ import annotations

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

    from capture.journal.segment import SegmentReader
    from capture.journal.spool import Spool
    from capture.objects import Encoded, EncodedObject
    from capture.shipping.batch import Manifest
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

    def cook(self, manifest: Manifest, readers: Mapping[str, SegmentReader], urgent: bool) -> Future[Cooked]:
        """Encodes a batch in one of the threads."""
        return (self._urgent if urgent else self._calm).submit(batches.encode_batch, manifest, readers)

    def close(self) -> None:
        """Ends the threads."""
        self._calm.shutdown(wait=False, cancel_futures=True)
        self._urgent.shutdown(wait=False, cancel_futures=True)


Cooked = tuple["Encoded", list[tuple[str, int, bytes, str]]]


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
    """One batch in flight. `uploaded` are the objects that are there."""

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
        self.encoded: Encoded | None = None
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
        """Goes on as far as it can without waiting; whether every object is there."""
        if self.encoded is None and not self._take_encoded():
            return False
        while self.encoded is not None and self._next < len(self.encoded.objects):
            if self._monotonic() < self._not_before or not self._upload(self.encoded.objects[self._next]):
                return False
            self._next += 1
        return True

    def wait_encoded(self, seconds: float) -> None:
        """Waits, at most so long, for the thread that encodes."""
        if self.encoded is None:
            wait([self._future], timeout=seconds)

    def _take_encoded(self) -> bool:
        if not self._future.done():
            return False
        encoded, bad = self._future.result()
        for writer, number, data, why in bad:
            log.error("capture: record %s of writer %s is set aside: %s", number, writer, why)
            (self._spool.path("set-aside") / f"{writer}.{number}.frame").write_bytes(data)
            self.manifest.aside.append((writer, number))
        if bad:
            self.write_manifest()
        self.encoded = encoded
        return True

    def _upload(self, item: EncodedObject) -> bool:
        header = self.manifest.header
        if self._sinks.put(header.destination, header.kms_key_id, item.key, item.body, item.content_type):
            self.failures = 0
            return True
        self.failures += 1
        pause = min(_FIRST_PAUSE * 2.0 ** min(self.failures - 1, 10), _LONGEST_PAUSE)
        self._not_before = self._monotonic() + pause * random.uniform(0.5, 1.0)
        return False
