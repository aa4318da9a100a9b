"""The uploader: stores objects in their sinks, one after the other, in a thread that the shipper does not wait for.

A server that accepts a connection and never answers blocks that thread for 20 seconds. Meanwhile the shipper scans the
spool, and can end. Errors of a sink are logged at most once a minute per cause; the caller tries again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from capture.shipping.daemon_executor import DaemonExecutor
from capture.sinks import SinkError, open_sink
from capture.throttled_log import ThrottledLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from capture.sinks import Sink

log = logging.getLogger("capture.shipper")


class Upload(NamedTuple):
    """One object to store."""

    destination: str
    kms_key_id: str | None
    key: str
    body: bytes
    content_type: str


class Uploader:
    """The sinks in use, each opened once. Only the shipper's thread calls `send`."""

    def __init__(self, monotonic: Callable[[], float], opener: Callable[[str, str | None], Sink] = open_sink) -> None:
        self._open: dict[tuple[str, str | None], Sink] = {}
        self._opener = opener
        self._log = ThrottledLog(log, monotonic)
        self._thread = DaemonExecutor("capture-uploader")

    def send(self, uploads: Sequence[Upload]) -> Future[int]:
        """Stores objects in their order. The result is the number of objects stored before the first failure."""
        return self._thread.submit(self._store, list(uploads))

    def close(self) -> None:
        """Ends the thread; what it does now is not waited for."""
        self._thread.close()

    def _store(self, uploads: list[Upload]) -> int:
        for done, upload in enumerate(uploads):
            try:
                self._sink(upload).put(upload.key, upload.body, upload.content_type)
            except SinkError as error:
                self._warn(upload, str(error))
                return done
            except Exception as error:  # a client that refuses a setting in its own way
                self._warn(upload, f"{type(error).__name__}: {error}")
                return done
        return len(uploads)

    def _sink(self, upload: Upload) -> Sink:
        stream = upload.destination, upload.kms_key_id
        if stream not in self._open:
            self._open[stream] = self._opener(*stream)
        return self._open[stream]

    def _warn(self, upload: Upload, why: str) -> None:
        """Logs a cause at most once a minute, whichever object it hit."""
        cause = f"{upload.destination}: {why.replace(upload.key, '')}"
        self._log.warning(cause, f"not delivered, tried again: {upload.destination}: {why}")
