"""Where captured objects go, and where they are read again: an S3 bucket or a directory.

A destination is `s3://bucket/prefix` or `file:///directory`; keys are below it. What a shipper needs is a `Sink`, what
a reader needs a `Source`; each of the two places is both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from capture.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterator


READ_ATTEMPTS = 4
"""How often a read is tried; a write is tried once, and again by the shipper."""


class SinkError(CaptureError):
    """A place cannot be written to or read from.

    `retryable` says whether the same call may succeed soon without anyone's doing (a time-out, a busy server, a full
    disk); else somebody must act first (credentials, a missing bucket, permissions), and asking again once in a while
    is enough.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class MissingObject(SinkError):
    """There is no object under this key."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class Sink(Protocol):
    """A place to write objects to. Every call is bounded in time and raises `SinkError`."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Writes an object whole or not at all; one of the same key is replaced."""

    def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""


class Source(Protocol):
    """A place to read objects from. Every call raises `SinkError`."""

    uri: str

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Keys that begin with `prefix`, and the bytes of each object."""

    def folders(self, prefix: str = "") -> Iterator[str]:
        """The names that follow `prefix` up to the next `/`; `prefix` is empty or ends with `/`."""

    def get(self, key: str, last: int | None = None) -> bytes:
        """An object's bytes, or its `last` ones; `MissingObject` where there is none."""


class Place(Sink, Source, Protocol):
    """Both."""


def open_sink(destination: str, kms_key_id: str | None = None) -> Place:
    """The place that `destination` names; nothing is connected to and nothing is made yet.

    With `kms_key_id` an S3 bucket is asked to encrypt under that key. Retries are left to the caller. Raises `SinkError`
    where `destination` is neither `s3://bucket/prefix` nor `file:///directory`.
    """
    return _open(destination, kms_key_id, attempts=1)


def open_source(uri: str) -> Place:
    """The place to read from; beside what `open_sink` takes, `uri` may be a directory's path. Retries on its own."""
    return _open(uri if "://" in uri else f"file://{uri}", None, attempts=READ_ATTEMPTS)


def _open(destination: str, kms_key_id: str | None, attempts: int) -> Place:
    scheme, _, rest = destination.partition("://")
    if scheme == "file" and rest:
        from capture.sinks.directory import Directory

        return Directory(unquote(rest))
    bucket, _, prefix = rest.partition("/")
    if scheme == "s3" and bucket:
        from capture.sinks.s3 import Bucket

        return Bucket(bucket, prefix.strip("/"), kms_key_id, attempts)
    raise SinkError(f"{destination!r} is no place: give s3://bucket/prefix or file:///directory", retryable=False)
