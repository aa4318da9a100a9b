"""`serve --reload`: the endpoint as a child process, which is started again when a file of the artefact changes.

For local work. A change stops the endpoint in order, so that what was captured is shipped. An endpoint that ends by itself,
for example because of a syntax error, is started again after the next change.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

DIE_WITH_PARENT = Path(__file__).parents[1] / "shared" / "die_with_parent.py"
_POLL = 0.3
"""Seconds between two looks at the files."""

Snapshot = dict[str, tuple[int, int]]
"""Path → time of the last change in nanoseconds, and size in bytes."""


def snapshot(directory: Path) -> Snapshot:
    """Returns the state of each file below a directory, but hidden files and Python's bytecode."""
    found: Snapshot = {}
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - a model may have many files
            try:
                status = os.stat(path)  # noqa: PTH116
            except FileNotFoundError:
                continue
            if not name.startswith("."):
                found[path] = (status.st_mtime_ns, status.st_size)
    return found


class Reloader:
    """Runs one command again and again. Make it and call `run` in the main thread."""

    def __init__(self, command: list[str], directory: Path, poll: float = _POLL) -> None:
        self._command = [
            sys.executable,
            "-I",
            "-S",
            str(DIE_WITH_PARENT),
            str(int(signal.SIGTERM)),
            str(os.getpid()),
            *command,
        ]
        self._directory = directory
        self._poll = poll
        self._stop = threading.Event()

    def run(self) -> int:
        """Runs until SIGTERM or SIGINT; returns the exit code of the last endpoint, 128 and its number for a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        while True:
            seen = snapshot(self._directory)
            child = subprocess.Popen(self._command, start_new_session=True)  # a Ctrl-C reaches it through us alone
            self._until_change(seen, child)
            if child.poll() is None:
                child.terminate()
            code = child.wait()
            if self._stop.is_set():
                return code if code >= 0 else 128 - code

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _until_change(self, seen: Snapshot, child: subprocess.Popen[bytes]) -> None:
        """Returns when files have changed and are not being written any more, or when the end was ordered."""
        ended = False
        while not self._stop.wait(self._poll):
            now = snapshot(self._directory)
            if now != seen:
                if not self._stop.wait(self._poll) and snapshot(self._directory) != now:
                    continue
                print(f"endpoint: {self._directory} has changed, starting again", file=sys.stderr)
                return
            if not ended and child.poll() is not None:
                ended = True
                print(f"endpoint: ended, starts again when {self._directory} changes", file=sys.stderr)
