"""A directory as a place for captured objects.

An object appears under its key whole or not at all: it is written beside it under a hidden name, made durable, and
renamed. The process's umask decides who may read it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from capture.sinks import MissingObject, SinkError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EINTR, errno.ESTALE, errno.EMFILE, errno.ENFILE}


class Directory:
    """The objects below one directory."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        self.uri = f"file://{self._root.absolute()}"

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Writes `body` and waits until it is on disk; a directory keeps no content type."""
        path = self._path(key)
        try:
            _make(path.parent)
            hidden = path.with_name(f".{path.name}.tmp")
            with open(hidden, "wb") as file:  # noqa: PTH123
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            hidden.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise _error(f"cannot write {path}", error) from error

    def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""
        return self._path(key).is_file()

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Keys that begin with `prefix`, and their sizes."""
        folder, _, start = prefix.rpartition("/")
        self._must_exist()
        try:
            yield from self._walk(folder, start)
        except OSError as error:
            raise _error(f"cannot list {self._root / folder}", error) from error

    def folders(self, prefix: str = "") -> Iterator[str]:
        """The directories in the directory `prefix`, ascending."""
        path = self._root / prefix
        self._must_exist()
        try:
            names = [entry.name for entry in os.scandir(path) if entry.is_dir()] if path.is_dir() else []
        except OSError as error:
            raise _error(f"cannot list {path}", error) from error
        return iter(sorted(names))

    def get(self, key: str, last: int | None = None) -> bytes:
        """An object's bytes, or its `last` ones."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                if last is not None:
                    file.seek(max(0, file.seek(0, os.SEEK_END) - last))
                return file.read()
        except FileNotFoundError:
            raise MissingObject(f"there is no {path}") from None
        except OSError as error:
            raise _error(f"cannot read {path}", error) from error

    def _must_exist(self) -> None:
        if not self._root.is_dir():
            raise SinkError(f"there is no directory {self._root}", retryable=False)

    def _path(self, key: str) -> Path:
        if ".." in key.split("/") or key.startswith("/"):
            raise SinkError(f"{key!r} is no key: it leads out of {self._root}", retryable=False)
        return self._root / key

    def _walk(self, folder: str, start: str) -> Iterator[tuple[str, int]]:
        path = self._root / folder
        if not path.is_dir():
            return
        # S3 lists by the bytes of whole keys, in which a folder's name is followed by a slash.
        entries = {entry.name + "/" * entry.is_dir(): entry for entry in os.scandir(path)}
        for name in sorted(entries, key=str.encode):
            if not name.startswith(start) or name.startswith("."):
                continue
            if name.endswith("/"):
                yield from self._walk(f"{folder}/{name[:-1]}".lstrip("/"), "")
            else:
                yield f"{folder}/{name}".lstrip("/"), entries[name].stat().st_size


def _make(folder: Path) -> None:
    """Makes a directory and those above it, durably."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _error(what: str, error: OSError) -> SinkError:
    return SinkError(f"{what}: {error.strerror or error}", retryable=error.errno in _PASSING)
