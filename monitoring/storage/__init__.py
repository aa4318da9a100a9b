"""Where this room keeps what it writes: an S3 bucket or a directory, with conditional writes.

A storage is `s3://bucket/prefix`, `file:///directory` or a directory's path; keys are below it. Objects appear whole or not
at all. `create` and `replace` are the only way in which two monitors agree: of several that call `create` for one key, one
succeeds and all others get `Conflict`. A body that decides who is first holds an id of its writer: S3 may carry out a write
whose answer is lost, and a repeated write succeeds only where the object holds the very bytes of this writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from monitoring.errors import MonitoringError, UsageError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

JSON = "application/json"


class StorageError(MonitoringError):
    """A storage cannot be read or written. `retryable` says whether the same call may succeed without a repair."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class MissingKey(StorageError):
    """No object has this key."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class Conflict(StorageError):
    """A conditional write was refused: another writer was first."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's bytes, and the tag that names this content in a later `replace`."""

    body: bytes
    tag: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a listing: its key, its size in bytes, its tag (empty where a listing gives none), and when it was written."""

    key: str
    size: int
    tag: str
    modified: dt.datetime | None = None


class Storage(Protocol):
    """A place for objects. Every call is bounded in time and raises `StorageError`."""

    uri: str

    def get(self, key: str) -> Stored:
        """Returns an object. Raises MissingKey where there is none."""

    def put(self, key: str, body: bytes, content_type: str = JSON) -> str:
        """Writes an object, replaces one of the same key, and returns the new tag."""

    def create(self, key: str, body: bytes, content_type: str = JSON) -> str:
        """Writes an object if the key is free, and returns its tag. Raises Conflict where it is taken."""

    def replace(self, key: str, body: bytes, tag: str, content_type: str = JSON) -> str:
        """Writes an object if its tag still is `tag`, and returns the new tag. Raises Conflict where it is not."""

    def delete(self, key: str) -> None:
        """Removes an object. Does nothing where there is none."""

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """Yields the objects whose key begins with `prefix`, in the order of their keys."""


def open_storage(uri: str) -> Storage:
    """Returns the storage that `uri` names. Nothing is connected to and nothing is created yet.

    Raises UsageError where `uri` is neither `s3://bucket/prefix`, `file:///directory` nor a directory's path.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or (scheme == "file" and rest):
        from monitoring.storage.directory import DirectoryStorage

        return DirectoryStorage(unquote(rest) if separator else uri)
    bucket, _, prefix = rest.partition("/")
    if scheme == "s3" and bucket:
        from monitoring.storage.s3 import S3Storage

        return S3Storage(bucket, prefix.strip("/"))
    raise UsageError(f"{uri!r} is not a place: give s3://bucket/prefix, file:///directory or a directory's path")


def key_in_storage(uri: str) -> tuple[Storage, str]:
    """Returns the storage and the key of one object's URI or path: its last part is the key."""
    head, _, name = uri.rstrip("/").rpartition("/")
    if not name:
        raise UsageError(f"{uri!r} does not name an object")
    return open_storage(head or "/" if uri.startswith("/") else head or "."), name
