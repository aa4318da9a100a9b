"""A directory as a storage.

An object is written under a hidden name, made durable, then renamed (`put`, `replace`) or linked (`create`, which the kernel
refuses where the name exists). A tag is a digest of the content. `replace` holds a lock file while it compares and renames,
so two processes of one machine, or of a file system with POSIX locks, cannot both succeed.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import os
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring.storage import JSON, Conflict, Listed, MissingKey, StorageError, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = ".storage.lock"


class DirectoryStorage:
    """The objects below one directory."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root).absolute()
        self.uri = f"file://{self._root}"

    def get(self, key: str) -> Stored:
        """Returns an object. Raises MissingKey where there is none."""
        path = self._path(key)
        try:
            body = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise MissingKey(f"there is no {path}") from None
        except OSError as error:
            raise _error(f"cannot read {path}", error) from error
        return Stored(body, _tag(body))

    def put(self, key: str, body: bytes, content_type: str = JSON) -> str:
        """Writes an object, replaces one of the same key, and returns the new tag."""
        path = self._path(key)
        try:
            _write(path, body).replace(path)
        except OSError as error:
            raise _error(f"cannot write {path}", error) from error
        return _tag(body)

    def create(self, key: str, body: bytes, content_type: str = JSON) -> str:
        """Writes an object if the key is free. Raises Conflict where it is taken."""
        path = self._path(key)
        hidden: Path | None = None
        try:
            hidden = _write(path, body)
            path.hardlink_to(hidden)
        except FileExistsError:
            raise Conflict(f"{path} exists") from None
        except OSError as error:
            raise _error(f"cannot write {path}", error) from error
        finally:
            if hidden is not None:
                hidden.unlink(missing_ok=True)
        return _tag(body)

    def replace(self, key: str, body: bytes, tag: str, content_type: str = JSON) -> str:
        """Writes an object if its tag still is `tag`. Raises Conflict where it is not."""
        path = self._path(key)
        try:
            with _locked(path.parent):
                if _tag(path.read_bytes()) != tag:
                    raise Conflict(f"{path} was changed by another writer")
                _write(path, body).replace(path)
        except FileNotFoundError:
            raise Conflict(f"{path} was removed by another writer") from None
        except OSError as error:
            raise _error(f"cannot write {path}", error) from error
        return _tag(body)

    def delete(self, key: str) -> None:
        """Removes an object. Does nothing where there is none."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _error(f"cannot remove {path}", error) from error

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """Yields the objects whose key begins with `prefix`, in the order of their keys."""
        folder = self._path(prefix.rpartition("/")[0]) if "/" in prefix else self._root
        try:
            paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
            keys = sorted((path.relative_to(self._root).as_posix(), path) for path in paths)
            for key, path in keys:
                if key.startswith(prefix):
                    status = path.stat()
                    modified = dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
                    yield Listed(key, status.st_size, "", modified)
        except OSError as error:
            raise _error(f"cannot list {folder}", error) from error

    def _path(self, key: str) -> Path:
        if key.startswith("/") or ".." in key.split("/"):
            raise StorageError(f"{key!r} is not a key: it leads out of {self._root}", retryable=False)
        return self._root / key


def _write(path: Path, body: bytes) -> Path:
    """Writes a hidden file beside `path`, durably, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{uuid.uuid4().hex}.tmp")
    with hidden.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    return hidden


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tag(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _error(what: str, error: OSError) -> StorageError:
    return StorageError(f"{what}: {error.strerror or error}", retryable=False)
