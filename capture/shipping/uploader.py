"""Dispatch: objects on their way to their sinks, one after the other, in a thread that the shipper does not wait for.

A server that takes a connection and never answers holds that thread for 20 seconds; the shipper meanwhile looks after
the spool, and ends when it is told to. Errors of a sink are never final here: they are said once a minute, and whoever
asked tries again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from capture.shipping.daemon_executor import DaemonExecutor
from capture.sinks import SinkError, open_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from capture.sinks import Sink

log = logging.getLogger("capture.shipper")
_SAY_AGAIN = 60.0
_MAX_CAUSES = 100


class Upload(NamedTuple):
    """One object to store."""

    destination: str
    kms_key_id: str | None
    key: str
    body: bytes
    content_type: str


class Uploader:
    """The sinks in use, each opened once, and what they last said. `send` is for the shipper's thread."""

    def __init__(self, monotonic: Callable[[], float], opener: Callable[[str, str | None], Sink] = open_sink) -> None:
        self._open: dict[tuple[str, str | None], Sink] = {}
        self._opener = opener
        self._monotonic = monotonic
        self._said: dict[str, float] = {}
        self._thread = DaemonExecutor("capture-uploader")

    def send(self, uploads: Sequence[Upload]) -> Future[int]:
        """Stores objects in their order; the result is how many are there before the first that could not be stored."""
        return self._thread.submit(self._store, list(uploads))

    def close(self) -> None:
        """Ends the thread; what it does now is not waited for."""
        self._thread.close()

    def _store(self, uploads: list[Upload]) -> int:
        for done, upload in enumerate(uploads):
            try:
                self._sink(upload).put(upload.key, upload.body, upload.content_type)
            except SinkError as error:
                self._say(upload, str(error))
                return done
            except Exception as error:  # a setting that a client refuses in a way of its own: mended, it goes on
                self._say(upload, f"{type(error).__name__}: {error}")
                return done
        return len(uploads)

    def _sink(self, upload: Upload) -> Sink:
        stream = upload.destination, upload.kms_key_id
        if stream not in self._open:
            self._open[stream] = self._opener(*stream)
        return self._open[stream]

    def _say(self, upload: Upload, what: str) -> None:
        """Logs a cause at most once a minute, whichever object it hit."""
        now = self._monotonic()
        cause = f"{upload.destination}: {what.replace(upload.key, '')}"
        if now - self._said.get(cause, -_SAY_AGAIN) >= _SAY_AGAIN:
            if len(self._said) > _MAX_CAUSES:
                self._said = {}
            self._said[cause] = now
            log.warning("capture: not delivered, tried again: %s: %s", upload.destination, what)
