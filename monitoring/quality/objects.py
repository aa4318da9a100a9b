"""Files below a URI that are not captured data: labels, baselines, training sets. A single file is a URI as well."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring.storage import key_in_storage, open_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOUR = re.compile(r"(?:^|/)(\d{4})/(\d{2})/(\d{2})/(\d{2})/[^/]+$")
_FILE = (".parquet", ".csv", ".jsonl", ".json")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file: its key below the URI, its size in bytes, and when it was written."""

    key: str
    size: int
    modified: dt.datetime

    @property
    def hour(self) -> dt.datetime | None:
        """The hour that the key names as `…/yyyy/mm/dd/hh/name`, None where it names none."""
        found = _HOUR.search(self.key)
        if found is None:
            return None
        try:
            return dt.datetime(*(int(part) for part in found.groups()), tzinfo=dt.UTC)  # type: ignore[misc,arg-type]
        except ValueError:
            return None


class Files:
    """The files below a URI: `s3://bucket/prefix`, `file:///directory`, a path, or one file's URI.

    Every method raises StorageError where the place cannot be read or written.
    """

    def __init__(self, uri: str) -> None:
        """Connects to nothing yet. Raises UsageError where `uri` is not a place."""
        self.uri = uri.rstrip("/")
        self._only = ""
        if self.uri.endswith(_FILE):
            self._storage, self._only = key_in_storage(self.uri)
        else:
            self._storage = open_storage(self.uri)

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yields the files whose key begins with `prefix`, in the order of their keys."""
        for entry in self._storage.list(self._only or prefix):
            if not self._only or entry.key == self._only:
                yield StoredFile(entry.key, entry.size, entry.modified or dt.datetime.fromtimestamp(0, dt.UTC))

    def get(self, key: str) -> bytes:
        """Returns a file's bytes. Raises MissingKey where there is none."""
        return self._storage.get(key).body

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> str:
        """Writes a file whole and returns its URI."""
        self._storage.put(key, body, content_type)
        return f"{self.uri}/{key}"
