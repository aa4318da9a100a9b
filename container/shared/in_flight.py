"""Which request each worker has in hand, for those who must know after it was killed.

A worker owns one small file in the run directory and writes the event id there when a request begins, blanks when it
is answered: a copy into mapped memory, no system call. The supervisor reads it when the worker has ended, to say in
the log whose answer was lost, and before it unloads a model.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

SIZE = 64
_IDLE = bytes(SIZE)


class BusyNote:
    """The worker's side."""

    def __init__(self, directory: Path, pid: int) -> None:
        path = directory / str(pid)
        try:
            with path.open("w+b") as file:
                os.posix_fallocate(file.fileno(), 0, SIZE)
                self._map = mmap.mmap(file.fileno(), SIZE)
        except OSError:  # a full disk: the log will not say which request an ended worker had
            path.unlink(missing_ok=True)
            self._map = mmap.mmap(-1, SIZE)

    def begin(self, event_id: str) -> None:
        """This event is being worked on."""
        self._map[:SIZE] = event_id.encode()[:SIZE].ljust(SIZE, b"\0")

    def end(self) -> None:
        """Nothing is."""
        self._map[:SIZE] = _IDLE


def busy_with(directory: Path, pid: int) -> str | None:
    """The event id a worker has, or had when it ended; None: it was idle, or is not known."""
    try:
        noted = (directory / str(pid)).read_bytes().rstrip(b"\0")
    except OSError:
        return None
    return noted.decode("ascii", "replace") or None


def forget(directory: Path, pid: int) -> None:
    """Remove an ended worker's note."""
    (directory / str(pid)).unlink(missing_ok=True)
